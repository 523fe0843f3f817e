#!/boot/busybox sh
# shellcheck shell=dash
# The guest's first process: mounts what the host shares, then serves the commands that the host sends.
# Kernel command line: vu.share=TAG:FOLDER:MODE (ro or rw) for each share, vu.commands=N for the number of command ports.
b=/boot/busybox
$b mount -t devtmpfs dev /dev
exec <>/dev/console >&0 2>&0
echo "virtio-user-vm: user space"
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t debugfs debugfs /sys/kernel/debug
$b mount -t tmpfs tmpfs /run
$b mount -t tmpfs tmpfs /tmp
$b mkdir -p /dev/pts /dev/shm
$b mount -t devpts devpts /dev/pts
$b mount -t tmpfs tmpfs /dev/shm

while read -r module; do
	$b insmod "/boot/modules/$module"
done </boot/modules/order

# A read-only share does not change while the guest runs, so the guest may cache it. A writable one is read
# and written through.
share() {
	case $3 in
	ro) options=ro,cache=loose ;;
	rw) options=rw,cache=none ;;
	esac
	$b mkdir -p "$2"
	$b mount -t 9p -o "trans=virtio,version=9p2000.L,msize=262144,$options" "$1" "$2" ||
		echo "virtio-user-vm: share $1 could not be mounted on $2"
}

share tree /tree ro
$b mount --bind /tree/usr /usr
$b mount --bind /tree/etc /etc
commands=1
for word in $($b cat /proc/cmdline); do
	case $word in
	vu.share=*)
		word=${word#vu.share=}
		mode=${word##*:}
		word=${word%:*}
		share "${word%%:*}" "${word#*:}" "$mode"
		;;
	vu.commands=*) commands=${word#*=} ;;
	esac
done

$b hostname guest
$b ip link set lo up
export PATH=/usr/sbin:/usr/bin HOME=/root TMPDIR=/tmp LC_ALL=C
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
cd /root || exit

port=1
while [ $port -le "$commands" ]; do
	$b sh /boot/commands $port &
	port=$((port + 1))
done
# The first process collects every process whose parent ended; these do not end.
wait
