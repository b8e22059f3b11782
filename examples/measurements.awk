# Two hundred stations with latitude, longitude and temperature; the same on every machine.
BEGIN {
    print "station,latitude,longitude,temperature"
    state = 7
    for (i = 1; i <= 200; i++) {
        state = (state * 1103515245 + 12345) % 2147483648; a = state / 2147483648
        state = (state * 1103515245 + 12345) % 2147483648; b = state / 2147483648
        state = (state * 1103515245 + 12345) % 2147483648; noise = state / 2147483648 - 0.5
        latitude = 45 + 10 * a
        printf "s%03d,%.4f,%.4f,%.2f\n", i, latitude, 5 + 10 * b, 32 - 0.5 * latitude + 3 * noise
    }
}
