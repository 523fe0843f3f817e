# shellcheck shell=dash
# Runs the commands that come in by one pair of ports, one after the other, until the guest ends.
# Argument: the number of the pair, from 1. Port 2N-1 carries command lines in and standard output out, port 2N standard
# error. A command line is: NONCE and the program and its arguments, quoted for a shell. A line that begins with NUL is not of a command:
#   both ports     NUL NONCE begin PID   what follows belongs to the command; PID leads a session of its own
#   both ports     NUL NONCE end CODE    exit code of the command
#   first port     NUL ready             commands are taken, the guest has just started
b=/boot/busybox

# Ports appear some time after their driver is loaded, and nothing here would be told.
find_port() {
	until set -- "$1" /dev/vport*p"$1" && [ -c "$2" ]; do
		$b usleep 5000
	done
	port=$2
}

find_port $((2 * $1 - 1))
exec 3<>"$port"
find_port $((2 * $1))
exec 4>"$port"
printf '\0ready\n' >&3
# This is busybox, whose shell runs busybox's own variants of programs; commands get the guest's real ones.
while read -r nonce command <&3; do
	eval "set -- $command"
	# shellcheck disable=SC2016 # it is the inner shell that is to expand them
	$b setsid /usr/bin/sh -c 'printf "\0%s begin %d\n" $0 $$; printf "\0%s begin %d\n" $0 $$ >&2; exec "$@"' \
		"$nonce" "$@" </dev/null >&3 2>&4 3>&- 4>&- &
	wait $! 2>/dev/null # the shell would tell the console of every killed command
	code=$?
	printf '\0%s end %d\n' "$nonce" $code >&3
	printf '\0%s end %d\n' "$nonce" $code >&4
done
