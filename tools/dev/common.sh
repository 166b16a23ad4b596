# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# Printing and timing, for ./dev and the scripts beside this one. Runs in the root of the source tree.

jobs=${PENSTOCK_JOBS:-$(nproc)}

say() { printf -- '-- %s\n' "$*"; }

die() {
  printf 'dev: %s\n' "$*" >&2
  exit 1
}

elapsed() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# The names of folders outside the project mean nothing to a reader.
without_paths() { sed -u -e "s#$PWD/##g" -e "s#$PWD#.#g"; }

step() {  # step TITLE COMMAND ...: runs it with its output, prints the time it took
  local title=$1 start=$SECONDS status=0
  shift
  say "$title"
  "$@" || status=$?
  if [[ $status -eq 0 ]]; then
    say "$title: done in $(elapsed $((SECONDS - start)))"
  else
    say "$title: FAILED after $(elapsed $((SECONDS - start)))"
  fi
  return $status
}

quietly() {  # quietly TITLE COMMAND ...: shows only the time passing, and the end of the output on failure
  local title=$1 start=$SECONDS next=20 status=0 log pid
  shift
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  trap 'kill '"$pid"' 2>/dev/null || true' EXIT
  while kill -0 "$pid" 2>/dev/null; do
    if [[ -t 1 ]]; then
      printf '\r-- %s %s ' "$title" "$(elapsed $((SECONDS - start)))"
    elif ((SECONDS - start >= next)); then
      say "$title: $(elapsed $((SECONDS - start))) so far"
      next=$((next + 20))
    fi
    sleep 0.2
  done
  wait "$pid" || status=$?
  trap - EXIT
  [[ ! -t 1 ]] || printf '\r\033[K'
  if [[ $status -eq 0 ]]; then
    say "$title: done in $(elapsed $((SECONDS - start)))"
  else
    tail -n 40 "$log" | without_paths >&2
    say "$title: FAILED after $(elapsed $((SECONDS - start)))"
  fi
  rm -f "$log"
  return $status
}
