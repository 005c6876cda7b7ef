#!/usr/bin/env bash
# Flame graphs of where the time goes, as SVG in benches/flamegraphs: the drain of a backlog from a real broker, and decoding
# and judging alone. Needs Linux' perf, and inferno (cargo install inferno). ORDERS is how many orders each takes.
set -euo pipefail
cd "$(dirname "$0")/.."
out=benches/flamegraphs
orders=${ORDERS:-100000}

missing() { echo "$1 is missing: $2"; exit 1; }
command -v perf >/dev/null || missing perf "it comes with the linux-tools, or perf, package of the distribution"
command -v inferno-collapse-perf >/dev/null || missing inferno "cargo install --locked inferno"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# draw NAME TITLE < perf.data
draw() {
    perf script --no-inline -i "$work/$1.data" 2>/dev/null | inferno-collapse-perf >"$work/$1.folded"
    inferno-flamegraph --title "$2" --minwidth 0.4 <"$work/$1.folded" >"$out/$1.svg"
    echo "$out/$1.svg"
}

# build KIND NAME: the path of a bench, or of the binary that the benches run.
build() {
    local all
    all=$(cargo bench --locked --no-run --bench throughput --bench drain --message-format=json)
    echo "$all" | grep "\"kind\":\[\"$1\"\]" | grep "\"name\":\"$2\"" | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1
}

# The engine: decoding, judging and a replay, one after the other.
perf record -q -F 999 --call-graph dwarf,16384 -o "$work/engine.data" -- "$(build bench throughput)" "$((orders / 4))"
draw engine "orderwatch: decode, engine, replay ($((orders / 4)) orders, three rounds each)"

# The live process, under perf from its start to its end.
binary=$(build bin orderwatch)
cat >"$work/profiled" <<END
#!/usr/bin/env bash
"$binary" "\$@" &
pid=\$!
trap 'kill -TERM \$pid' TERM
perf record -q -F 499 --call-graph dwarf,16384 -o "$work/drain.data" -p \$pid &
while kill -0 \$pid 2>/dev/null; do wait \$pid && status=0 || status=\$?; done
wait
exit \$status
END
chmod +x "$work/profiled"
cargo bench --locked --bench drain -- "$orders" --rounds 1 --binary "$work/profiled"
draw drain "orderwatch run draining $orders orders"
