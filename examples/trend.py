"""The slope of temperature over latitude, by least squares: trend.py SUMMARY TREND."""

import csv
import sys

with open(sys.argv[1], newline="", encoding="ascii") as table:
    rows = [(float(band), int(count), float(mean)) for band, count, mean in csv.reader(table)]
total = sum(count for _, count, _ in rows)
x = sum(band * count for band, count, _ in rows) / total
y = sum(mean * count for _, count, mean in rows) / total
slope = sum(c * (b - x) * (m - y) for b, c, m in rows) / sum(c * (b - x) ** 2 for b, c, _ in rows)
with open(sys.argv[2], "w", encoding="ascii") as out:
    print(f"{slope:+.3f} degrees per degree of latitude, from {total} stations", file=out)
