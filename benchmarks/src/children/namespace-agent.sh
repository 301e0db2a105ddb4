#!/bin/sh
# Usage: namespace-agent.sh ADDRESS COMMAND...   (in the place of ssh, for mpirun --mca plm_rsh_agent)
# Runs the command in the network namespace $CAI_RIG-N, where N is the address's last number, under a host name of its
# own: Open MPI takes daemons of one name for one machine, and names their temporary folders after it.
address=$1
shift
exec ip netns exec "$CAI_RIG-${address##*.}" \
  unshare --uts sh -c 'hostname "$0" && eval "$1"' "$CAI_RIG-${address##*.}" "$*"
