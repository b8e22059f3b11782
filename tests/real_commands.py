"""Real commands, and the files that they read: what the differential and the soak test run.

Each is deterministic, needs no network, ends within seconds, and reads and writes below its working directory.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from typing import NamedTuple

from harness import World


class Case(NamedTuple):
    """A command, and the programs that it needs."""

    name: str
    script: str
    needs: tuple[str, ...] = ()


PYTHON = shlex.quote(sys.executable)

CASES = [
    Case("pipeline", "awk '{ print $2, $1 }' table | sort > sorted; wc -l < sorted >> count; rm count", ("awk",)),
    Case("redirections", "sort < table > sorted; cat < sorted >> all; exec 3<> both; echo x >&3; echo y 4> new >> all"),
    Case("textutils", "cut -c1 table | paste - numbers | tac > p; join table table > j; comm p j | nl | tail -2 > n"),
    Case("gcc", "gcc -O1 -o program main.c && ./program > said", ("gcc",)),
    Case("gcc-save-temps", "gcc -save-temps -c one.c && gcc -shared -fPIC -o l.so two.c one.c && strip l.so", ("gcc",)),
    Case("gcc-static-lto", "gcc -flto -static -o program main.c && ./program > said", ("gcc",)),
    Case("make", "make -j2 -s", ("make", "gcc", "ar")),
    Case("git", "git init -q r && cd r && cp ../table . && git add -A && git commit -qm x && git status -s", ("git",)),
    Case(
        "git-clone",
        "git init -q r && cp table r && git -C r add . && git -C r commit -qm x && git clone -q --no-local r c"
        " && cd c && git mv table t && git stash -q && git stash pop -q && git -c gc.pruneExpire=now gc -q",
        ("git",),
    ),
    Case("tar", "tar czf d.tgz d && mkdir x && tar xzf d.tgz -C x", ("tar", "gzip")),
    Case("tar-append", "tar cf d.tar d && tar rf d.tar table && tar xOf d.tar table > t; xz d.tar", ("tar", "xz")),
    Case("python", f"{PYTHON} work.py"),
    Case("compileall", f"mkdir p && cp work.py p && {PYTHON} -m compileall -q p"),
    Case("python-pool", f"{PYTHON} pool.py"),
    Case("python-zipapp", f"mkdir a && cp work.py a/__main__.py && {PYTHON} -m zipapp a && {PYTHON} a.pyz"),
    Case(
        "sqlite3",
        "sqlite3 base.db 'create table t (x); insert into t values (1)' && sqlite3 base.db .dump > sql",
        ("sqlite3",),
    ),
    Case(
        "sqlite3-wal",
        "sqlite3 w.db 'pragma journal_mode=wal; create table t (x); insert into t values (2); vacuum into \"v.db\"'"
        " && sqlite3 w.db '.import numbers t' '.backup b.db'",
        ("sqlite3",),
    ),
    Case("rsync", "rsync -a d/ e/ && echo more >> d/one && rsync -a d/ e/", ("rsync",)),
    Case("rsync-inplace", "rsync -a d/ e/ && echo 1 > d/one && rsync -a --inplace -I --delete d/ e/", ("rsync",)),
    Case("Rscript", 'Rscript -e \'write.csv(colMeans(read.table("numbers")), "means.csv")\'', ("Rscript",)),
    Case("R-batch", "R CMD BATCH --vanilla script.R", ("R",)),
    Case("gdal", "gdal_translate -q grid.asc grid.tif && gdaladdo -q grid.tif 2", ("gdal_translate", "gdaladdo")),
    Case("gdal-png", "gdal_translate -q -ot Byte -of PNG grid.asc g.png && gdalinfo -stats g.png > i", ("gdalinfo",)),
    Case("ogr2ogr", "ogr2ogr -f GeoJSON p.json points.csv && ogr2ogr p.shp p.json", ("ogr2ogr",)),
    Case("find-grep", "find d -type f -print0 | xargs -0 grep -l one > f; grep -r two d >> f", ("find", "grep")),
    Case("find-exec", "find d -name one -exec cp {} f \\; -delete; find d -type f -execdir cat {} +", ("find",)),
    Case("xargs-P", "ls d | xargs -P 2 -I X sh -c 'sort d/X > X.sorted; cat X.sorted X.sorted > X.twice'", ("xargs",)),
    Case("perl", "perl -pi.bak -e 's/a/A/' table && perl -MFile::Copy -e 'copy(\"table\", \"table2\")'", ("perl",)),
    Case("gawk", "gawk '{ print > $1 \".txt\" } END { while ((getline x < \"numbers\") > 0) print }' table", ("gawk",)),
    Case("gawk-inplace", "gawk -i inplace '{ print NR, $0 }' table numbers", ("gawk",)),
    Case("sed", "sed -i s/a/b/ table && sed -n 1p table > first && mv first d/first", ("sed",)),
    Case("cp-mv", "cp -a d e && mv e/one e/uno && ln e/uno e/hard && ln -s uno e/soft && cat e/soft > o && mv o table"),
    Case("install", "install -D -m 600 table x/y/table && install -b numbers x/y/table && rm -r d"),
    Case(
        "diff-patch",
        "sed s/hello/bye/ main.c > new.c; diff -u main.c new.c > change; patch -s main.c change && cmp main.c new.c",
        ("diff", "patch"),
    ),
    Case("tee-dd-split", "tee t1 t2 < table | dd of=t3 status=none; split -l 1 table p-; dd if=t1 of=t2 conv=notrunc"),
    Case("truncate-shred", "truncate -s 2 table; truncate -s 9 new; shred -n 1 -u numbers; csplit -s main.c 2"),
    Case("sort-files", "seq 150000 | sort -R --random-source=grid.asc -S 1M -T . > s && sort -n -u -o s s"),
    Case("zip", "zip -qr d.zip d table && zip -q d.zip numbers && unzip -q d.zip -d x", ("zip", "unzip")),
    Case("compress", "gzip -k table && bzip2 -k table && xz -k table && gzip -dc table.gz > t && xz -d -c table.xz > u"
         " && gunzip -f table.gz && gzip numbers", ("gzip", "bzip2", "xz")),
    Case("cpio", "find d | cpio -o --quiet > d.cpio && mkdir x && cd x && cpio -id --quiet < ../d.cpio", ("cpio",)),
    Case("m4", "m4 -DNAME=x in.m4 > out && m4 -F frozen in.m4 > /dev/null && m4 -R frozen in.m4 > again", ("m4",)),
    Case("bash", "bash ./script.bash", ("bash",)),
    Case("shells", ". ./part.sh; sh ./part.sh; cat > h.sh <<E\nset -- a b; cat table > \\$2\nE\nsh h.sh"),
    Case("wrappers", "timeout 60 nice env A=1 nohup setsid -w sort -o s table 2> /dev/null; flock lock cat table > t"),
    Case("busybox", "busybox sh -c 'busybox sort table | busybox uniq -c > counts; busybox cp -r d e'", ("busybox",)),
    Case("busybox-tar", "busybox tar czf d.tgz d; busybox sed -i s/a/b/ table; busybox awk 1 table > t", ("busybox",)),
    Case("sha256sum", "sha256sum table d/* > sums && sha256sum -c --quiet sums && md5sum < table > m"),
    Case("openssl", "openssl dgst -sha256 -out s table && openssl base64 -in table -out e", ("openssl",)),
    Case("iconv-file", "iconv -f latin1 -t utf16 table > t && file t main.c > kinds", ("iconv", "file")),
    Case("mktemp", "f=$(mktemp) && cat table > $f && mv $f t && d=$(mktemp -d) && cp t $d && rm -r $d"),
]  # fmt: skip
"""The commands; those of coreutils need nothing named."""

MAKEFILE = "lib.a: one.o two.o\n\tar rcs $@ $^\n%.o: %.c common.h\n\tgcc -c -o $@ $<\n"

WORK = """
import json, shutil
table = [line.split() for line in open("table")]
json.dump(table, open("table.json", "w"))
with open("table.json", "r+") as both:
    both.seek(0, 2)
    both.write("\\n")
shutil.copytree("d", "copied")
"""

POOL = """
import multiprocessing, subprocess, tempfile

def count(name):
    with open(name) as text, open(name + ".count", "w") as out:
        out.write(str(len(text.read())))
    return subprocess.run(["cat", name + ".count"], capture_output=True).stdout

if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        counts = pool.map(count, ["table", "numbers", "d/one", "d/two"])
    with tempfile.NamedTemporaryFile() as spool:
        spool.write(b"".join(counts))
        spool.flush()
        open("counts", "wb").write(open(spool.name, "rb").read())
"""

R = """
x <- read.table("numbers")
saveRDS(x, "x.rds")
y <- readRDS("x.rds")
pdf("plot.pdf", compress = FALSE)
plot(y)
invisible(dev.off())
cat(system("wc -l < numbers", intern = TRUE), file = "lines")
"""

BASH = """
diff <(sort table) <(sort numbers) > differences
tee >(tr a-z A-Z > upper) < table > lower
read -t 0.05 < <(:) || true
while [ ! -s upper ]; do read -t 0.05 < <(:) || true; done
mapfile -t lines < numbers
printf '%s\\n' "${lines[@]}" > printed
cat <<< "$(< table)" > here
source part.sh
"""

GRID = "ncols 32\nnrows 32\nxllcorner 0\nyllcorner 0\ncellsize 1\n" + ("1 " * 32 + "\n") * 32

TEMPORARY = [
    (re.compile(r"/cc[A-Za-z0-9]{6}(?=[./]|$)"), "/cc*"),  # gcc
    (re.compile(r"/tmp_obj_[A-Za-z0-9]{6}$"), "/tmp_obj_*"),  # git
    (re.compile(r"/sed[A-Za-z0-9]{6}$"), "/sed*"),
    (re.compile(r"/\.([^/]+)\.[A-Za-z0-9]{6}$"), r"/.\1.*"),  # rsync
    (re.compile(r"/Rtmp[A-Za-z0-9]{6}(?=/|$)"), "/Rtmp*"),
    (re.compile(r"/RtmpgL?[A-Za-z0-9]+(?=/|$)"), "/Rtmp*"),
    (re.compile(r"/Rf[A-Za-z0-9]+$"), "/Rf*"),
    (re.compile(r"^/proc/\d+(?=/|$)"), "/proc/*"),
    (re.compile(r"^/proc/\*/task/\d+(?=/|$)"), "/proc/*/task/*"),
    (re.compile(r"/Rscript[0-9a-f]+\.[A-Za-z0-9]{6}$"), "/Rscript*"),
    (re.compile(r"/sort[A-Za-z0-9]{6}$"), "/sort*"),
    (re.compile(r"/st[A-Za-z0-9]{6}$"), "/st*"),  # ar
    (re.compile(r"/XX[A-Za-z0-9]{6}$"), "/XX*"),  # perl
    (re.compile(r"/\.git/t[A-Za-z0-9]{6}$"), "/.git/t*"),
    (re.compile(r"/tmp_(pack|idx|rev)_[A-Za-z0-9]{6}$"), r"/tmp_\1_*"),  # git
    (re.compile(r"/info/(refs|packs)_[A-Za-z0-9]{6}$"), r"/info/\1_*"),  # git gc
    (re.compile(r"\.pyc\.\d+$"), ".pyc.*"),
    (re.compile(r"/zi[A-Za-z0-9]{6}$"), "/zi*"),  # zip
    (re.compile(r"/main\.c\.[a-z][A-Za-z0-9]{6}$"), "/main.c.*"),  # patch
    (re.compile(r"/tmp[a-z0-9_]{8}(?=/|$)"), "/tmp*"),  # Python
    (re.compile(r"/tmp\.[A-Za-z0-9]{10}(?=/|$)"), "/tmp.*"),  # mktemp
    (re.compile(r"/sh-thd\.[A-Za-z0-9]{6}$"), "/sh-thd.*"),  # bash
    (re.compile(r"/etilqs_[0-9a-f]{16}$"), "/etilqs_*"),  # sqlite
    (re.compile(r"\.gawk\.[A-Za-z0-9]{6}$"), ".gawk.*"),
    (re.compile(r"/tac[A-Za-z0-9]{6}$"), "/tac*"),
    (re.compile(r"/sem\.mp-[a-z0-9_]{8}$"), "/sem.mp-*"),
    (re.compile(r"^pipe:\[\d+\]$"), "pipe:*"),
    (re.compile(r"/tmp/[a-z0-9_]{8}$"), "/tmp/*"),  # Python's tempfile trying a directory
    (re.compile(r"/table[A-Za-z0-9]{6}$"), "/table*"),  # busybox sed -i
    (re.compile(r"/\.git/index\.stash\.\d+(\.lock)?$"), "/.git/index.stash.*"),
]
"""Names that hold a random part or a process id."""


def plain(path: str) -> str:
    """Return the path with one name for all random ones of a kind."""
    for pattern, name in TEMPORARY:
        path = pattern.sub(name, path)
    return path


def furnish(world: World) -> None:
    """Put everything that the commands read into a fresh working directory."""
    for who in ("AUTHOR", "COMMITTER"):
        world.env |= {f"GIT_{who}_NAME": "x", f"GIT_{who}_EMAIL": "x@example"}
        world.env[f"GIT_{who}_DATE"] = "2026-01-01T00:00:00Z"
    shutil.rmtree(world.work)
    world.work.mkdir()
    world.write("table", "a 1\nb 2\nc 3\n")
    world.write("numbers", "1 2\n3 4\n")
    world.write("d/one", "one\n")
    world.write("d/two", "two\n")
    world.write("main.c", '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n')
    world.write("common.h", "int f(void);\n")
    world.write("one.c", '#include "common.h"\nint f(void) { return 1; }\n')
    world.write("two.c", '#include "common.h"\nint g(void) { return f(); }\n')
    world.write("Makefile", MAKEFILE)
    world.write("work.py", WORK)
    world.write("pool.py", POOL)
    world.write("script.R", R)
    world.write("script.bash", BASH)
    world.write("part.sh", "cat table numbers\n")
    world.write("in.m4", "define(X, 1)include(table)X NAME\n")
    world.write("points.csv", "X,Y,name\n1,2,a\n3,4,b\n")
    world.write("grid.asc", GRID)
