# The warmest stations by whole degree of latitude, and a trend: usage pipeline.sh STATIONS SUMMARY TREND
set -eu
tail -n +2 "$1" | sort -t, -k4,4nr > sorted.tmp
awk -F, '{ band = int($2); n[band]++; sum[band] += $4 } END { for (b in n) printf "%d,%d,%.2f\n", b, n[b], sum[b] / n[b] }' \
    sorted.tmp | sort -n > "$2.tmp"
mv "$2.tmp" "$2"
rm sorted.tmp
python3 trend.py "$2" "$3"
