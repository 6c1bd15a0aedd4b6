#!/usr/bin/env bash
# snakemake-executor-plugin-slurm 2.8.0: no account is given, so the plugin asks `sacct` for that of the last job.
# Expected: it runs `sacct ... | tail -1` in a shell and submits with the account that comes out. Seen: the words `|`, `tail` and `-1` are handed to `sacct` as arguments. Slurm's `sacct` refuses the option -1,
# so the guess fails on every cluster, with a warning, and jobs are submitted without an account.
#
# Needs Python 3.11 or later. A `sacct` of this script notes its arguments and answers as Slurm's does to an unknown
# option. Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q snakemake==9.27.1 snakemake-executor-plugin-slurm==2.8.0 2> /dev/null || exit 2
mkdir "$work/bin"
cat > "$work/bin/sacct" << 'END'
#!/usr/bin/env bash
printf '%s\n' "$@" > "$ARGUMENTS"
for word in "$@"; do
    if [ "$word" = -1 ]; then echo "sacct: invalid option -- '1'" >&2; exit 1; fi
done
echo biology
END
chmod +x "$work/bin/sacct"
export ARGUMENTS=$work/arguments PATH=$work/bin:$PATH
found=$("$work/venv/bin/python" - << 'END'
import logging
from snakemake_executor_plugin_slurm.accounts import get_account

print(get_account(logging.getLogger()))
END
)
echo "arguments of sacct: $(tr '\n' ' ' < "$ARGUMENTS")"
echo "account: $found"
if [ "$found" = None ] && [ "$(tail -n 3 "$ARGUMENTS" | tr '\n' ' ')" = "| tail -1 " ]; then
    echo "as seen: the pipe is an argument, and no account is found"
else
    echo "changed: account '$found'"
    exit 1
fi
