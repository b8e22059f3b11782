#!/bin/sh
# `make demo`: a real analysis under shark, then a look at where its outputs come from. Everything happens below demo/.
set -eu
examples=$(cd "$(dirname "$0")" && pwd)
place=${1:-"$examples/../demo"}
rm -rf "$place"
mkdir -p "$place"
cd "$place"
SHARK_HOME=$PWD/store
export SHARK_HOME

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
if [ ! -t 1 ] || [ -n "${NO_COLOR:-}" ]; then say() { printf '\n%s\n' "$*"; }; fi
show() {
    printf '\n$'
    for word; do
        case $word in *[!A-Za-z0-9_./=:,@%+-]*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    "$@"
}

# The programs are under version control, as an analysis should be; the last line of one is not committed yet.
cp "$examples/model.R" "$examples/pipeline.sh" "$examples/trend.py" "$examples/grid.sh" "$examples/stations.vrt" .
if command -v git >/dev/null; then
    git -c init.defaultBranch=main init -q
    git add model.R pipeline.sh trend.py grid.sh stations.vrt
    git -c user.name=demo -c user.email=demo@example.org commit -q -m "An analysis of stations"
    echo "# checked by hand" | tee -a model.R >> pipeline.sh
fi

say "A table of measurements, as an instrument would write it:"
awk -f "$examples/measurements.awk" > stations.csv
show head -n 4 stations.csv

if command -v Rscript >/dev/null; then
    say "A model in R, which reads the table and writes a picture and a table of coefficients:"
    show shark run -v -- Rscript model.R stations.csv fit.png coefficients.csv
    outputs="fit.png"
else
    say "A pipeline of sh, awk, sort and Python, which reads the table and writes a summary and a trend:"
    show shark run -v -- sh pipeline.sh stations.csv summary.csv trend.txt
    outputs="trend.txt"
fi

if command -v gdal_translate >/dev/null && command -v gdal_grid >/dev/null; then
    say "A map with GDAL: the stations on a grid, and overviews added to it in place:"
    show shark run -v -- sh grid.sh stations.vrt map.tif
    outputs="$outputs map.tif"
fi

say "Where do these files come from?"
for output in $outputs; do
    show shark inspect "$output"
done

changed=${outputs##* }
say "And when somebody changes one of them afterwards?"
show sh -c "echo more >> $changed"
show shark verify -v $outputs || true

say "Every run is kept: its steps, the software, the code with what was not committed, and what it all took:"
show shark log
first=${outputs%% *}
show shark show "$first"
if command -v git >/dev/null; then show shark show --patch "$first"; fi
