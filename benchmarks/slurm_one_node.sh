#!/usr/bin/env bash
# A real Slurm of one node on this machine, without systemd, for as long as a command runs:
#
#   sudo apt-get install -y --no-install-recommends slurm-wlm munge
#   benchmarks/slurm_one_node.sh kdpipe run sample --dataset tiny --executor slurm --shards 4
#
# It needs root, and writes /etc/munge/munge.key if there is none. Everything else lies in a temporary directory and is removed.
set -eu

[ "$(id -u)" = 0 ] || { echo "$0 needs root: it starts munged, slurmctld and slurmd" >&2; exit 1; }
home=$(mktemp -d -t slurm-one-node.XXXXXX)
mkdir -p "$home/state" "$home/spool" /run/munge
[ -s /etc/munge/munge.key ] || { dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none; chmod 400 /etc/munge/munge.key; }
chown munge: /etc/munge/munge.key /run/munge

node=$(hostname -s)
cat > "$home/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/spool
SlurmctldPidFile=$home/slurmctld.pid
SlurmdPidFile=$home/slurmd.pid
SlurmctldLogFile=$home/slurmctld.log
SlurmdLogFile=$home/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
JobRequeue=1
KillWait=30
SlurmctldPort=26817
SlurmdPort=26818
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$home/slurm.conf

runuser -u munge -- munged --force --foreground >"$home/munged.out" 2>&1 & munge=$!
sleep 1
slurmctld -D >"$home/control.out" 2>&1 & control=$!
slurmd -D >"$home/daemon.out" 2>&1 & daemon=$!
trap 'scancel -u root 2>/dev/null || true; sleep 1; kill $daemon $control $munge 2>/dev/null || true; wait 2>/dev/null; rm -rf "$home"' EXIT
for _ in $(seq 60); do sinfo -h -o %T 2>/dev/null | grep -q idle && break; sleep 0.5; done
sinfo
"$@"
