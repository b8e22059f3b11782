# The stations' temperatures on a grid: usage grid.sh STATIONS.VRT MAP.TIF
set -eu
gdal_grid -q -l stations -zfield temperature -a invdist:power=2.0:smoothing=0.1 \
    -txe 5 15 -tye 45 55 -outsize 128 128 -of GTiff -ot Float32 "$1" "$2"
gdaladdo -q "$2" 2 4
