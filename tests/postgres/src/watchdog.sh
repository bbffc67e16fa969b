# Stops the server whose number came last on the input when that ends, and removes its folder: $1.
# Whoever started both is gone then, or wants it.
trap '' INT TERM HUP
server=
while read -r line; do server=$line; done
children() {
  for stat in /proc/[0-9]*/stat; do
    { read -r child _ _ parent _ <"$stat"; } 2>/dev/null && [ "$parent" = "$server" ] && echo "$child"
  done
}
if [ -n "$server" ]; then
  # Those that are stopped would not hear of it.
  kill -CONT $(children) "$server"
  kill -QUIT "$server"
  tries=0
  # Not as long as it is in the table of processes: nobody may look at how it ended.
  while [ -e "/proc/$server/exe" ] && [ $tries -lt 50 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  kill -KILL $(children) "$server"
fi
rm -rf "$1"
