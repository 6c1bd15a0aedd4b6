# Debian's R with one package in the folder $work, for the scripts beside this file: unpack_r PACKAGE=VERSION
# Makes $r, whose bin/R starts it. Needs Debian 12 (apt-get download).

unpack_r() {
    local package=${1%%=*} others file lib
    others=$(apt-get install -s --no-install-recommends "$1" 2> /dev/null | awk '/^Inst/ {print $2}' |
        grep -vx "$package") || true
    # two of them are named since they may be installed already
    others=$(printf '%s\n' r-base-core r-cran-ape "$others" | grep -vx "$package" | sort -u)
    # shellcheck disable=SC2086
    apt-get download "$1" $others > /dev/null 2>&1 || { echo "$1 cannot be had here"; exit 2; }
    for file in ./*.deb; do dpkg -x "$file" system; done
    r=$work/system/usr/lib/R
    sed -i "s|/usr/lib/R|$r|g; s|/usr/share/R|$work/system/usr/share/R|g" "$r/bin/R"
    for file in Makeconf Renviron.site Rprofile.site ldpaths repositories; do
        ln -sf "$work/system/etc/R/$file" "$r/etc/$file"
    done
    ln -sf Renviron.ucf "$r/etc/Renviron"
    lib=$work/system/usr/lib/x86_64-linux-gnu
    export LD_LIBRARY_PATH=$lib:$lib/blas:$lib/lapack:$r/lib
    export R_LIBS=$r/site-library:/usr/lib/R/site-library:/usr/lib/R/library
}
