#!/usr/bin/env bash
# A Slurm cluster of this machine alone, for trying what is meant for real ones.
#
#     sudo benchmarks/slurm/one_node.sh start FOLDER
#     sudo benchmarks/slurm/one_node.sh stop FOLDER
#
# Debian's slurm-wlm and munge, as root. Configuration, state and logs stay in FOLDER; the commands of Slurm find the
# cluster by SLURM_CONF=FOLDER/slurm.conf, which `start` prints. No cgroups, no accounting, no limits of memory: what
# depends on these is not tried here.
set -euo pipefail
what=${1:?start or stop} folder=$(mkdir -p "${2:?FOLDER}" && cd "$2" && pwd)

stop() {
    local name process
    for name in slurmd slurmctld munged; do
        [ -s "$folder/$name.pid" ] || continue
        process=$(cat "$folder/$name.pid")
        if [ "$(cat "/proc/$process/comm" 2> /dev/null)" = "$name" ]; then kill "$process"; fi
        rm -f "$folder/$name.pid"
    done
}

case $what in
    start) ;;
    stop) stop; exit 0 ;;
    *) echo "start or stop, not $what" >&2; exit 2 ;;
esac
trap 'echo "the cluster has not started: see $folder/slurmctld.log and slurmd.log" >&2; stop' ERR
for program in munged slurmctld slurmd sbatch; do
    command -v "$program" > /dev/null || { echo "$program is missing: apt-get install slurm-wlm munge" >&2; exit 2; }
done
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
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
InactiveLimit=0
KillWait=5
MinJobAge=3600
NodeName=$host CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
EOF
export SLURM_CONF=$folder/slurm.conf
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
