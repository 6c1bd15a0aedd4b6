#!/usr/bin/env bash
# A Slurm cluster of this machine alone, for trying what is meant for real ones.
#
#     sudo benchmarks/slurm/one_node.sh start FOLDER [--accounting]
#     sudo benchmarks/slurm/one_node.sh stop FOLDER
#
# Debian's slurm-wlm and munge, as root. Configuration, state and logs stay in FOLDER; the commands of Slurm find the
# cluster by SLURM_CONF=FOLDER/slurm.conf, which `start` prints. Programs that clean the environment of their jobs
# (Snakemake does) find it by /etc/slurm/slurm.conf, a link that `stop` removes; one that is there is left alone. With --accounting (Debian's slurmdbd and
# mariadb-server) jobs are noted in a data base of its own, so that `sacct` answers. No cgroups, no limits of memory:
# what depends on these is not tried here.
set -euo pipefail
what=${1:?start or stop} folder=$(mkdir -p "${2:?FOLDER}" && cd "$2" && pwd) accounting=${3:-}

stop() {
    local name process
    for name in slurmd slurmctld slurmdbd mariadbd munged; do
        [ -s "$folder/$name.pid" ] || continue
        process=$(cat "$folder/$name.pid")
        if [ "$(cat "/proc/$process/comm" 2> /dev/null)" = "$name" ]; then kill "$process"; fi
        rm -f "$folder/$name.pid"
    done
    if [ "$(readlink /etc/slurm/slurm.conf)" = "$folder/slurm.conf" ]; then rm /etc/slurm/slurm.conf; fi
}

start_accounting() {
    # MariaDB answers at a port of loopback only; its files belong to mysql, the folder above them may be anybody's
    local port=33306 password
    chmod a+x "$folder"
    if [ ! -d "$folder/mariadb" ]; then
        mkdir "$folder/mariadb"
        chown mysql: "$folder/mariadb"
        mariadb-install-db --user=mysql --datadir="$folder/mariadb" --skip-test-db > "$folder/mariadb.log" 2>&1
    fi
    mariadbd --user=mysql --datadir="$folder/mariadb" --socket="$folder/mariadb/socket" --bind-address=127.0.0.1 \
        --port=$port --pid-file="$folder/mariadb/pid" >> "$folder/mariadb.log" 2>&1 &
    echo $! > "$folder/mariadbd.pid"
    for _ in $(seq 30); do
        mariadb-admin --socket="$folder/mariadb/socket" ping > /dev/null 2>&1 && break
        sleep 1
    done
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    mariadb --socket="$folder/mariadb/socket" << EOF
CREATE OR REPLACE USER slurm@'127.0.0.1' IDENTIFIED BY '$password';
CREATE DATABASE IF NOT EXISTS slurm_acct_db;
GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1';
EOF
    rm -f "$folder/slurmdbd.conf"
    (
        umask 077  # slurmdbd refuses a configuration that others may read
        cat > "$folder/slurmdbd.conf" << EOF
AuthType=auth/munge
DbdHost=localhost
SlurmUser=root
LogFile=$folder/slurmdbd.log
PidFile=$folder/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$port
StorageUser=slurm
StoragePass=$password
EOF
    )
    SLURM_CONF=$folder/slurmdbd.conf slurmdbd
    for _ in $(seq 30); do
        sacctmgr -n list cluster > /dev/null 2>&1 && break
        sleep 1
    done
    sacctmgr -i -Q add cluster one > /dev/null || true  # is there already after a second start
    sacctmgr -i -Q add account everybody > /dev/null || true
    sacctmgr -i -Q add user "$(id -un)" account=everybody > /dev/null || true
}

case $accounting in
    "" | --accounting) ;;
    *) echo "--accounting or nothing, not $accounting" >&2; exit 2 ;;
esac
case $what in
    start) ;;
    stop) stop; exit 0 ;;
    *) echo "start or stop, not $what" >&2; exit 2 ;;
esac
trap 'echo "the cluster has not started: see $folder/slurmctld.log and slurmd.log" >&2; stop' ERR
for program in munged slurmctld slurmd sbatch; do
    command -v "$program" > /dev/null || { echo "$program is missing: apt-get install slurm-wlm munge" >&2; exit 2; }
done
storage=accounting_storage/none gather=jobacct_gather/none
if [ -n "$accounting" ]; then
    for program in slurmdbd mariadbd; do
        command -v "$program" > /dev/null \
            || { echo "$program is missing: apt-get install slurmdbd mariadb-server" >&2; exit 2; }
    done
    storage=accounting_storage/slurmdbd gather=jobacct_gather/linux
fi
host=$(hostname -s)
memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
mkdir -p "$folder/state" "$folder/spool" /run/munge
[ -s /etc/munge/munge.key ] || mungekey --create
chown munge: /run/munge /etc/munge/munge.key
if ! pgrep -x munged > /dev/null; then  # one that runs already is used, and left alone
    runuser -u munge -- munged --force --pid-file /run/munge/munged.pid 2> /dev/null
    cp /run/munge/munged.pid "$folder/munged.pid"
fi
cat > "$folder/slurm.conf" << EOF
ClusterName=one
SlurmctldHost=$host
SlurmUser=root
AuthType=auth/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmdSpoolDir=$folder/spool
StateSaveLocation=$folder/state
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=$storage
AccountingStorageHost=localhost
JobAcctGatherType=$gather
InactiveLimit=0
KillWait=5
MinJobAge=3600
NodeName=$host CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
EOF
export SLURM_CONF=$folder/slurm.conf
[ -e /etc/slurm/slurm.conf ] || ln -sf "$SLURM_CONF" /etc/slurm/slurm.conf
if [ -n "$accounting" ]; then
    start_accounting
fi
slurmctld -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF"
for _ in $(seq 30); do
    if sinfo -h -o %T 2> /dev/null | grep -qxE 'idle|mixed|allocated'; then
        echo "SLURM_CONF=$SLURM_CONF"
        exit 0
    fi
    sleep 1
done
false
