#!/bin/sh
# Two machines in one: network namespaces with addresses of their own, joined
# by a virtual cable, and an MPI program with half of its ranks in each.
#
#   across.sh RANKS-ON-EACH PROGRAM [ARGUMENT…]        (as root, with iproute2)
#
# Called by mpirun itself, in the place of ssh, as: across.sh ADDRESS COMMAND…
set -eu
here=microgpt-here
there=microgpt-there

if [ "$1" = 10.77.0.2 ]; then
  shift
  exec ip netns exec $there unshare --uts sh -c "hostname $there; $*"
fi

each=$1
shift
clear() {
  ip netns del $here
  ip netns del $there
} 2>/dev/null
trap clear EXIT
clear || true
ip netns add $here
ip netns add $there
ip -n $here link add cable type veth peer name cable netns $there
ip -n $here addr add 10.77.0.1/24 dev cable
ip -n $there addr add 10.77.0.2/24 dev cable
for side in $here $there; do
  ip -n $side link set lo up
  ip -n $side link set cable up
done
ip netns exec $here "${MPIRUN:-mpirun}" --allow-run-as-root --oversubscribe \
  --bind-to none --mca plm_rsh_agent "$0" --mca btl tcp,self \
  --mca btl_tcp_if_include 10.77.0.0/24 \
  --mca oob_tcp_if_include 10.77.0.0/24 \
  --host "10.77.0.1:$each,10.77.0.2:$each" "$@"
printf 'sent through the cable: %s bytes\n' \
  "$(ip netns exec $here cat /sys/class/net/cable/statistics/tx_bytes)"
