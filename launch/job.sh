#!/usr/bin/env bash
# On a cloud machine: a command that outlives the connection that started it.
#
#     bash launch/job.sh FOLDER COMMAND [ARGUMENT ...]   start it, or follow it where it runs already
#     bash launch/job.sh FOLDER --stop [COMMAND ...]     SIGTERM, and SIGKILL after 90 seconds; if a
#                                                        command is named, only to this one
#
# Prints what the command prints and exits with its code, but with 70 for its codes 1 and 255 (by
# which ssh and gcloud say that the connection was lost) and 71, and where it left no code, and with
# 71 where another command runs. One at a time in a FOLDER: the lock is held as long as any process
# of the command lives. FOLDER keeps its output in the file log.
set -uo pipefail

if [ $# -lt 2 ]; then
  echo "usage: bash launch/job.sh FOLDER COMMAND [ARGUMENT ...]" >&2
  exit 2
fi
folder="$1"
shift
mkdir -p "$folder" || exit 70
exec 9>"$folder/lock"

started() { # whether another has started a job and says which; it may be about to
  for _ in {1..50}; do
    [ -s "$folder/command" ] && return 0
    sleep 0.1
  done
  return 1
}

other() {
  echo "another command runs on this machine: $(cat "$folder/command")" >&2
  exit 71
}

start() {
  rm -f "$folder/code" "$folder/pid" "$folder/command"
  : >"$folder/log"
  # The shell around the command must live to write its code, though SIGTERM reaches it as well;
  # a trap that does something, unlike an empty one, is not handed on to the command.
  # shellcheck disable=SC2016
  setsid bash -c '
    trap : TERM
    "${@:2}"
    echo "$?" >"$1/code.new"
    mv "$1/code.new" "$1/code"' job "$folder" "$@" </dev/null >"$folder/log" 2>&1 &
  echo "$!" >"$folder/pid"
  printf '%s' "$command" >"$folder/command" # the last, for it says that the others are there
}

if [ "$1" = --stop ]; then
  if ! flock --nonblock 9 && started; then
    group="$(cat "$folder/pid")"
    if [ $# -gt 1 ] && [ "$(cat "$folder/command")" != "$(printf '%q ' "${@:2}")" ] &&
      kill -0 -- "-$group" 2>/dev/null; then
      other
    fi
    kill -TERM -- "-$group"
    flock --timeout 90 9 || kill -KILL -- "-$group"
  fi
  exit 0
fi

command="$(printf '%q ' "$@")"
lines=+1
if flock --nonblock 9; then
  start "$@"
elif ! started; then
  echo "no job, but its lock '$folder/lock' is held" >&2
  exit 70
elif [ "$(cat "$folder/command")" != "$command" ]; then
  other
elif kill -0 "$(cat "$folder/pid")" 2>/dev/null; then
  echo "it runs already; its last lines:"
  lines=20
else # it has ended, and has left children
  kill -KILL -- "-$(cat "$folder/pid")"
  flock --timeout 30 9 || exit 70
  start "$@"
fi
exec 9>&-

tail --lines="$lines" --sleep-interval=0.3 --follow --pid="$(cat "$folder/pid")" "$folder/log"
code="$(cat "$folder/code" 2>/dev/null)"
case "$code" in
  "" | 1 | 71 | 255) exit 70 ;;
  *) exit "$code" ;;
esac
