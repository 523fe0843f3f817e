#!/usr/bin/env bash
# Builds projects, unless what was built last is still what the sources say: build/build.sh NAME PROJECT-FILE...
# For ./demo, ./test and ./bench, which source it, and for the program behind ./test. NAME is what the projects are
# together; the release that was built of them is remembered under it, in artifacts/build/NAME.state.
#
# MSBuild's own check takes seconds and goes by times; this one takes a tenth of a second and goes by contents: of every
# file that may be an input, of the list of these files, and of the list of installed SDKs and runtimes. What was built
# must be there as it was written. Anything else than equality calls MSBuild.

# What is built and run puts files and sockets there; a socket's path has at most 107 bytes.
# To root, a folder looks as if it could be written where it cannot, such as /proc.
if [[ ! -d ${TMPDIR:=/tmp} || ${#TMPDIR} -gt 48 ]] || ! rmdir "$(mktemp -d "$TMPDIR/virtio-user-XXXXXX" 2>/dev/null)" 2>/dev/null; then
	export TMPDIR=/tmp
fi

# Ends the script if nobody could see what comes of it.
require_output() {
	if ! { : 9>&1; } 2>/dev/null; then
		echo "Standard output is closed." >&2
		exit 1
	fi
}

# Where the project is; the script that sources this may have said so.
root=${root:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}

# The SDKs and runtimes that are installed.
toolchain() {
	local dotnet home
	dotnet=$(readlink -f "$(type -P dotnet)") && home=${dotnet%/*}
	if [[ -d $home/sdk ]]; then
		stat --format='dotnet %n %.Y' "$dotnet" "$home"/sdk/* "$home"/shared/*/*
	else # a wrapper
		dotnet --list-sdks && dotnet --list-runtimes
	fi
}

# Every file that may take part in a build, with its contents: all but a few kinds that never do.
sources() {
	find . \( -path ./.git -o -path ./artifacts -o -path ./driver -o -path ./benchmarks/results -o \( -type d \( -name '.?*' -o -name bin -o -name obj \) \) \) -prune \
		-o -xtype f ! -name '*.md' ! -name '*.[cho]' ! -name '*.so' -print0 | sort --zero-terminated | xargs --null sha256sum
}

# What a build depends on.
inputs() {
	echo "folder $root" && toolchain && sources
}

# What became of a build: the files of the folders that are named on the standard input, one a line.
outputs() {
	sort --unique | tr '\n' '\0' | xargs --null --no-run-if-empty -I{} find {} -type f -print0 | xargs --null --no-run-if-empty stat --format='%n|%s %.Y'
}

# Whether a build is still what the inputs say, and all that it made is there; new files beside that are nobody's concern.
is_up_to_date() { # STATE INPUTS
	[[ -r $1 ]] && [[ $(sed '/^$/,$d' "$1") == "$2" ]] || return 1
	local made
	made=$(sed '1,/^$/d' "$1") && [[ -n $made ]] || return 1
	[[ $(cut --delimiter='|' --fields=1 <<<"$made" | tr '\n' '\0' | xargs --null stat --format='%n|%s %.Y' 2>/dev/null) == "$made" ]]
}

# Whether MSBuild, which goes by times, would miss a change: a file that is new here and older than its arrival (cp -p,
# tar, mv) may be older than what was built from another one.
has_backdated_change() { # STATE INPUTS
	local changed modified
	while read -r changed modified; do
		((changed - modified > 1)) && return 0
	done < <(comm -13 <([[ -r $1 ]] && sed '/^$/,$d' "$1" | sort) <(sort <<<"$2") | sed -n 's/^[0-9a-f]\{64\} [ *]//p' |
		tr '\n' '\0' | xargs --null --no-run-if-empty stat --format='%Z %Y')
	return 1
}

# How many projects some projects take, with all that they refer to.
count_projects() { # PROJECT-FILE...
	local -A seen=()
	local -a files=("$@") found
	local file projects=0
	while ((${#files[@]} > 0)); do
		found=()
		for file in "${files[@]}"; do
			[[ -f $file && -z ${seen[$file]:-} ]] || continue
			seen[$file]=1 && found+=("$file")
			[[ $file == *.csproj ]] && ((++projects))
		done
		((${#found[@]} > 0)) || break
		# A reference is relative to the file that it stands in.
		mapfile -t files < <(grep -oHE '(<ProjectReference Include|<Import Project|<Project Path|<TryProject>)[="]*[^"<]*\.(csproj|targets)' "${found[@]}" |
			sed -e 's/[$](MSBuildThisFileDirectory)//' -e 's/\\/\//g' -e 's/^\(.*\/\)\{0,1\}[^/:]*:.*[">]/\1/' |
			tr '\n' '\0' | xargs --null --no-run-if-empty realpath --canonicalize-missing --relative-to=.)
	done
	echo "$projects"
}

# Shows how far a build is: in place on a terminal, elsewhere as a line, but not too many.
show_progress() { # TEXT
	if [[ -t 2 ]]; then
		printf '\r\e[K%s, %d s' "$1" "$((SECONDS - begun))" >&2
	elif ((SECONDS - shown >= ($([[ $1 == "$last" ]] && echo 15 || echo 3)))); then
		printf '%s, %d s\n' "$1" "$((SECONDS - begun))" >&2
		shown=$SECONDS last=$1
	fi
}

# Shows a line beside that.
show_line() { # TEXT
	[[ -t 2 ]] && printf '\r\e[K' >&2
	printf '%s\n' "$1" >&2
}

# Runs dotnet build, and sets built to the folders that it wrote to.
run_build() { # NAME TARGET [ARGUMENT...]
	local name=$1 target=$2 total line rest='' text="packages" said='' count=0 code='' begun=$SECONDS shown=$SECONDS last=''
	shift 2
	local -A done_projects=()
	total=$(count_projects "$target")
	built=''
	printf 'Building %s: %d projects\n' "$name" "$total" >&2
	# A compiler that stays may keep the pipe and the lock: the end is a line of its own, and the lock is closed.
	exec 7< <(
		exec 8>&-
		DOTNET_CLI_UI_LANGUAGE=en dotnet build "$target" --configuration Release --nologo --verbosity minimal \
			-consoleLoggerParameters:NoSummary -terminalLogger:off -nodeReuse:false "$@" 2>&1
		echo "dotnet build ended with $?"
	)
	while [[ -z $code ]]; do
		if IFS= read -r -t 1 -u 7 line; then
			line=$rest$line && rest=''
			if [[ $line =~ ^'dotnet build ended with '([0-9]+)$ ]]; then
				code=${BASH_REMATCH[1]}
			elif [[ $line =~ ^' '*([^ ]+)' -> '(/.*)$ ]]; then
				[[ -z ${done_projects[${BASH_REMATCH[1]}]:-} ]] && ((++count))
				done_projects[${BASH_REMATCH[1]}]=1
				built+=${BASH_REMATCH[2]%/*}$'\n'
				text=${BASH_REMATCH[1]}
			elif [[ $line =~ (^' '*'Restored '|'up-to-date for restore') ]]; then
				((count > 0)) || text="compiling"
			elif [[ -n $line && ! $line =~ ^' '*('Determining projects'|'Build '(succeeded|FAILED)|[0-9]+' '(Warning|Error)|'Time Elapsed') ]]; then
				said+=$line$'\n'
			fi
		elif (($? > 128)); then
			rest+=$line
		else
			code=1
		fi
		((count > total)) && total=$count
		show_progress "$(printf '[%*d/%d] %s' "${#total}" "$count" "$total" "$text")"
	done
	exec 7<&-
	[[ -t 2 ]] && printf '\r\e[K' >&2
	[[ -n $said ]] && printf '%s' "$said" >&2
	return "$code"
}

# Builds projects, or one solution, if need be. They are named by their files, relative to $root.
build_projects() { # NAME PROJECT-FILE...
	local name=$1 now state target arguments=() built
	shift
	pushd "$root" >/dev/null || return
	export LC_ALL=C.UTF-8
	state=artifacts/build/$name.state
	if now=$(inputs 2>/dev/null) && is_up_to_date "$state" "$now"; then
		popd >/dev/null && return
	fi
	if ! dotnet --list-sdks 2>/dev/null | grep -q '^10\.'; then
		echo "The .NET SDK 10 is missing: install it (package dotnet-sdk-10.0, or https://dotnet.microsoft.com/download)." >&2
		return 2
	fi
	mkdir -p artifacts/build || return 2
	exec 8>artifacts/build/lock
	if type -P flock >/dev/null && ! flock --nonblock 8; then
		echo "Another build goes on here; waiting for its end." >&2
		flock 8
	fi
	# Before the build: what changes meanwhile is not in it.
	now=$(inputs) || return 2
	if ! is_up_to_date "$state" "$now"; then
		target=$1
		if (($# > 1)); then
			target=artifacts/build/$name.slnx
			# What they refer to is not in it, and is to be a release all the same.
			arguments+=(-property:ShouldUnsetParentConfigurationAndPlatform=false)
			(echo "<Solution>" && printf '  <Project Path="../../%s" />\n' "$@" && echo "</Solution>") >"$target"
		fi
		has_backdated_change "$state" "$now" && arguments+=(--no-incremental)
		rm -f "$state"
		run_build "$name" "$target" "${arguments[@]}" || return 2
		printf '%s\n\n%s\n' "$now" "$(outputs <<<"${built%$'\n'}")" >"$state.new" && mv "$state.new" "$state"
	fi
	exec 8>&-
	popd >/dev/null || return
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
	set -euo pipefail
	build_projects "$@"
fi
