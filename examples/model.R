# Temperature by latitude: a linear model, its picture and its coefficients.
arguments <- commandArgs(trailingOnly = TRUE)
stations <- read.csv(arguments[1])
fit <- lm(temperature ~ latitude, data = stations)

png(arguments[2], width = 640, height = 480, type = "cairo")
plot(temperature ~ latitude, data = stations, pch = 20, main = "Temperature by latitude")
abline(fit, lwd = 2)
invisible(dev.off())

write.csv(coef(summary(fit)), arguments[3])
