"""Rscript: a table becomes a picture and a table."""

from __future__ import annotations

from collections.abc import Callable

from harness import Run, World, digest, need, packages, sha256
from real.packages import deb

SCRIPT = """
source("helper.R")
stations <- read.csv("stations.csv")
fit <- lm(y ~ x, data = stations)
png("fit.png", type = "cairo")
plot_fit(stations, fit)
invisible(dev.off())
write.csv(coef(summary(fit)), "coefficients.csv")
"""

HELPER = "plot_fit <- function(data, fit) { plot(y ~ x, data = data); abline(fit) }\n"


def test_csv_to_png_and_csv(shark_run: Callable[..., Run], world: World) -> None:
    """Exactly one data input and two outputs, script and helper as code, R's packages by their owner."""
    need("Rscript")
    table = world.write("stations.csv", "x,y\n" + "".join(f"{i},{i * i % 17}\n" for i in range(50)))
    world.write("model.R", SCRIPT)
    world.write("helper.R", HELPER)
    run = shark_run(["Rscript", "model.R"])
    assert run.status == 0, run.stderr
    assert run.outputs == {name: sha256(world.work / name) for name in ("fit.png", "coefficients.csv")}
    for output in ("fit.png", "coefficients.csv"):
        assert run.inputs(output) == {"stations.csv": table}
        assert run.inputs(output, role="code") == {
            "model.R": digest(SCRIPT.encode()),
            "helper.R": digest(HELPER.encode()),
        }
        named = packages(run.manifest(output)["software"])
        assert named["deb", "r-base-core"] == deb("r-base-core")
        assert named["deb", "libc6"] == deb("libc6")
        # R's base packages belong to R; the manifest does not list them one by one.
        assert not [
            name for kind, name in named if kind == "cran" and name in {"stats", "graphics", "grDevices", "utils"}
        ]
    assert run.gaps == set()
    assert run.manifest("fit.png")["command"]["argv"] == ["Rscript", "model.R"]


def test_all_data_inputs_are_below_the_working_directory(shark_run: Callable[..., Run], world: World) -> None:
    """Nothing of R's own (site files, fonts, the locale) shows up as data."""
    need("Rscript")
    world.write("in.csv", "x\n1\n2\n")
    run = shark_run(["Rscript", "-e", 'write.csv(colMeans(read.csv("in.csv")), "out.csv")'])
    assert run.status == 0, run.stderr
    data = [entry["path"] for entry in run.manifest("out.csv")["inputs"] if entry["role"] == "data"]
    assert data == [f"{world.work}/in.csv"]
