import os
import platform

import pytest

from shark.content import host as host_module
from shark.content.ci import ci
from shark.content.commands import output_of, run_limited
from shark.content.container import container
from shark.content.environment import environment
from shark.content.host import host
from shark.content.osrelease import os_release
from shark.content.scheduler import scheduler, workflow

HASH = "0123456789abcdef" * 4


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_host_is_this_one():
    found = host({"TZ": ":Europe/Zurich"})
    assert found["name"] == os.uname().nodename
    assert found["machine"] == platform.machine()
    assert found["kernel"] == platform.release()
    assert found["cores_usable"] == len(os.sched_getaffinity(0)) <= found["cores"]
    assert found["memory"] > 1 << 20
    assert found["timezone"] == "Europe/Zurich"
    assert found["user"]
    assert found["os"]


def test_what_a_host_does_not_tell_is_absent(monkeypatch):
    monkeypatch.setattr(host_module, "_read", lambda _: "")
    monkeypatch.setattr(os, "confstr", _fail)
    monkeypatch.setattr(os, "sysconf", _fail)
    monkeypatch.setattr(host_module, "_names", lambda _: [])
    assert {"cpu", "cpu_details", "memory", "gpu", "libc"}.isdisjoint(host({}))


def _fail(_name):
    raise ValueError


def files_of(monkeypatch, files):
    """Let host() see these files, and no others."""
    monkeypatch.setattr(host_module, "_read", lambda path: files.get(path, ""))
    names = [path for path in files if path.startswith("/")]
    below = lambda folder: {p[len(folder) + 1 :].partition("/")[0] for p in names if p.startswith(f"{folder}/")}  # noqa: E731
    monkeypatch.setattr(host_module, "_names", lambda folder: sorted(below(folder)))


def test_a_graphics_driver_is_named(monkeypatch):
    version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.1.2  Tue\n"
    files_of(monkeypatch, {"/proc/driver/nvidia/version": version})
    assert host({})["gpu"] == "nvidia 535.1.2"
    card = "Model: \t\t NVIDIA A100-SXM4-40GB\nIRQ:   \t\t 183\nGPU UUID: \t GPU-8f6a1b2c\n"
    cards = {f"/proc/driver/nvidia/gpus/0000:0{n}:00.0/information": card for n in (7, 8)}
    files_of(monkeypatch, {"/proc/driver/nvidia/version": version, **cards})
    assert host({})["gpu"] == "nvidia 535.1.2 (NVIDIA A100-SXM4-40GB)"
    files_of(monkeypatch, {"/sys/module/amdgpu/drivers/pci:amdgpu": "", "/sys/class/drm/renderD128": ""})
    assert host({})["gpu"] == "amdgpu"
    files_of(monkeypatch, {"/sys/module/amdgpu/drivers/pci:amdgpu": "", "/sys/class/drm/card0": ""})
    assert "gpu" not in host({})


def test_the_processor_is_told_so_that_results_can_be_compared(monkeypatch):
    intel = (
        "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\n"
        "model name\t: Intel(R) Xeon(R) Gold 6226\nstepping\t: 7\ncpu MHz\t\t: 2700.001\n"
        "flags\t\t: fpu avx2 avx512f\n\n"
        "processor\t: 1\nvendor_id\t: GenuineIntel\n\n"
    )
    cache = "/sys/devices/system/cpu/cpu0/cache/index0"
    files_of(
        monkeypatch,
        {"/proc/cpuinfo": intel, f"{cache}/level": "1\n", f"{cache}/type": "Data\n", f"{cache}/size": "32K\n"},
    )
    found = host({})
    assert found["cpu"] == "Intel(R) Xeon(R) Gold 6226"
    assert found["cpu_details"] == {
        "vendor": "GenuineIntel", "family": "6", "model": "85", "stepping": "7", "mhz": 2700,
        "flags": ["fpu", "avx2", "avx512f"], "caches": [{"type": "data", "level": 1, "size": 32768}],
    }  # fmt: skip


def test_an_arm_processor(monkeypatch):
    arm = (
        "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd crc32\nCPU implementer\t: 0x41\n"
        "CPU architecture: 8\nCPU part\t: 0xd08\nCPU revision\t: 3\n\nprocessor\t: 1\nFeatures\t: fp\n\n"
        "Hardware\t: BCM2835\nRevision\t: c03114\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n"
    )
    files_of(monkeypatch, {"/proc/cpuinfo": arm})
    found = host({})
    assert found["cpu"] == "Raspberry Pi 4 Model B Rev 1.4"
    assert found["cpu_details"] == {
        "vendor": "0x41", "family": "8", "model": "0xd08", "stepping": "3", "flags": ["fp", "asimd", "crc32"]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("environ", "locale"),
    [({}, "C"), ({"LANG": "de_CH.UTF-8"}, "de_CH.UTF-8"), ({"LANG": "de_CH", "LC_ALL": "C.UTF-8"}, "C.UTF-8"),
     ({"LC_ALL": "", "LC_CTYPE": "fr_FR", "LANG": "de"}, "fr_FR")],
)  # fmt: skip
def test_the_locale(environ, locale):
    assert host(environ)["locale"] == locale


def test_os_release_is_parsed(tmp_path):
    write(tmp_path / "os", '# comment\nNAME="A \'b\'"\nID=x\nBAD\nODD="unclosed\n')
    assert os_release([str(tmp_path / "none"), str(tmp_path / "os")]) == {"NAME": "A 'b'", "ID": "x", "ODD": "unclosed"}
    assert os_release([]) == {}


class TestContainer:
    def test_outside_of_any_there_is_none(self, tmp_path):
        assert container({}, root=str(tmp_path)) == {}

    def test_docker(self, tmp_path):
        write(tmp_path / ".dockerenv", "")
        write(tmp_path / "proc" / "self" / "cgroup", "0::/\n")
        line = f"800 700 254:1 /var/lib/docker/containers/{HASH}/hostname /etc/hostname rw - ext4 /dev/x rw\n"
        write(tmp_path / "proc" / "self" / "mountinfo", f"1 2 3 /overlay2/{HASH[::-1]}/x / rw\n{line}")
        labels = {"ORG_OPENCONTAINERS_IMAGE_REVISION": "abc"}
        found = container({**labels, "OTHER": "x"}, root=str(tmp_path))
        assert found == {"engine": "docker", "id": HASH, "labels": labels}

    def test_docker_with_the_first_kind_of_control_groups(self, tmp_path):
        write(tmp_path / ".dockerenv", "")
        write(tmp_path / "proc" / "self" / "cgroup", f"3:cpu:/docker/{HASH}\n")
        assert container({}, root=str(tmp_path)) == {"engine": "docker", "id": HASH}

    def test_podman(self, tmp_path):
        text = f'engine="podman-4.3.1"\nname="fun"\nid="{HASH}"\nimage="docker.io/library/r:4"\nimageid="{HASH}"\n'
        write(tmp_path / "run" / ".containerenv", text)
        assert container({"container": "podman"}, root=str(tmp_path)) == {
            "engine": "podman-4.3.1", "name": "fun", "id": HASH, "image": "docker.io/library/r:4", "image_id": HASH
        }  # fmt: skip

    def test_podman_that_tells_nothing(self, tmp_path):
        write(tmp_path / "run" / ".containerenv", "")
        assert container({}, root=str(tmp_path)) == {"engine": "podman"}

    @pytest.mark.parametrize("labels", ['{"org.label-schema.name": "x", "n": 1}', "{", "[]"])
    def test_apptainer(self, tmp_path, labels):
        write(tmp_path / ".singularity.d" / "labels.json", labels)
        environ = {"APPTAINER_CONTAINER": "/images/r.sif", "APPTAINER_NAME": "r.sif", "SINGULARITY_NAME": "r.sif"}
        found = container(environ, root=str(tmp_path))
        assert (found["engine"], found["image"], found["name"]) == ("apptainer", "/images/r.sif", "r.sif")
        assert found.get("labels", {}) in ({"org.label-schema.name": "x"}, {})
        assert container({"SINGULARITY_NAME": "r.sif"}, root=str(tmp_path))["engine"] == "singularity"

    def test_kubernetes(self, tmp_path):
        secrets = tmp_path / "var" / "run" / "secrets" / "kubernetes.io" / "serviceaccount"
        write(secrets / "namespace", "team\n")
        write(secrets / "token", "hunter2")
        scope = f"0::/kubepods.slice/cri-containerd-{HASH}.scope\n"
        write(tmp_path / "proc" / "self" / "cgroup", scope)
        found = container({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "pod-1"}, root=str(tmp_path))
        assert found == {"engine": "kubernetes", "id": HASH, "namespace": "team", "pod": "pod-1"}

    def test_any_other_by_the_name_that_it_gives_itself(self, tmp_path):
        assert container({"container": "systemd-nspawn"}, root=str(tmp_path)) == {"engine": "systemd-nspawn"}
        write(tmp_path / "run" / "systemd" / "container", "lxc\n")
        assert container({}, root=str(tmp_path)) == {"engine": "lxc"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {"SLURM_JOB_ID": "9", "SLURM_ARRAY_TASK_ID": "3", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "x"},
            {"system": "slurm", "job": "9", "array_index": "3", "rank": "0", "name": "x"},
        ),
        (
            {"PBS_JOBID": "9.host", "PBS_ARRAYID": "4", "PBS_O_WORKDIR": "/w"},
            {"system": "pbs", "job": "9.host", "array_index": "4", "submit_dir": "/w"},
        ),
        ({"LSB_JOBID": "9", "LSB_JOBINDEX": "0"}, {"system": "lsf", "job": "9"}),
        ({"LSB_JOBID": "9", "LSB_JOBINDEX": "2"}, {"system": "lsf", "job": "9", "array_index": "2"}),
        (
            {"JOB_ID": "9", "SGE_O_WORKDIR": "/w", "SGE_TASK_ID": "undefined"},
            {"system": "sge", "job": "9", "submit_dir": "/w"},
        ),
        ({"JOB_ID": "9"}, {}),
        ({}, {}),
    ],
)
def test_schedulers(environ, expected):
    assert scheduler(environ) == expected


def test_workflow_engines():
    assert workflow({"AIRFLOW_CTX_DAG_ID": "d"}) == {"system": "airflow", "workflow": "d"}
    assert workflow({}) == {}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "o/r", "GITHUB_SHA": "c",
             "GITHUB_RUN_ID": "1", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_TOKEN": "hunter2"},
            {"system": "github", "repository": "o/r", "commit": "c", "run": "1",
             "server": "https://github.com", "url": "https://github.com/o/r/actions/runs/1"},
        ),
        (
            {"GITLAB_CI": "true", "CI_PROJECT_PATH": "o/r", "CI_COMMIT_SHA": "c", "CI_JOB_URL": "https://x/1"},
            {"system": "gitlab", "repository": "o/r", "commit": "c", "url": "https://x/1"},
        ),
        (
            {"JENKINS_URL": "https://j", "BUILD_NUMBER": "5", "GIT_URL": "https://me:hunter2@h/r"},
            {"system": "jenkins", "run": "5", "repository": "https://me:***@h/r"},
        ),
        ({"BUILDKITE": "true", "BUILDKITE_BUILD_NUMBER": "5"}, {"system": "buildkite", "run": "5"}),
        ({"CI": "true"}, {"system": "ci"}),
        ({"CI": "false", "GITLAB_CI": "true"}, {}),
        ({}, {}),
    ],
)  # fmt: skip
def test_ci_systems(environ, expected):
    assert ci(environ) == expected


def test_the_environment_is_an_allow_list():
    environ = {"LANG": "C", "LC_ALL": "C", "SECRET": "x", "MAIL": "x", "OMP_NUM_THREADS": "2", "MINE_A": "1",
               "CC": "gcc", "R_GITHUB_PAT_TOKEN": "x", "PIP_INDEX_URL": "https://u:p@h/x"}  # fmt: skip
    assert environment(environ) == {
        "CC": "gcc", "LANG": "C", "LC_ALL": "C", "OMP_NUM_THREADS": "2", "R_GITHUB_PAT_TOKEN": "***"
    }  # fmt: skip
    assert environment(environ, ["MINE_*", "PIP_INDEX_URL"])["PIP_INDEX_URL"] == "https://u:***@h/x"


class TestCommands:
    def test_output_and_status_come_back(self):
        assert run_limited(["sh", "-c", "echo out; echo err >&2; exit 3"], seconds=60) == (3, b"out\n", "err\n")
        assert output_of(["sh", "-c", "echo out; exit 3"], seconds=60) is None
        assert output_of(["sh", "-c", "echo out; exit 3"], seconds=60, any_status=True) == b"out\n"

    def test_a_missing_program_and_one_that_hangs_fail(self):
        assert run_limited(["no-such-program"], seconds=1) == (-1, b"", "no-such-program is not installed")
        assert output_of(["/etc"], seconds=1) is None
        status, _, text = run_limited(["sh", "-c", "sleep 1000 & wait"], seconds=0.05)
        assert (status, text) == (-1, "sh took longer than 0.1 s")


def test_patterns_of_all_kinds_choose_variables():
    environ = dict.fromkeys(("A", "AB", "ABC", "B1", "B2", "XY_Z", "xY_Z", "EBROOTGCC", "LD_PRELOAD"), "1")
    chosen = set(environment(environ, ["A?", "B[1]", "X*_*", "a"]))
    assert chosen == {"AB", "B1", "XY_Z", "EBROOTGCC", "LD_PRELOAD"}
    assert set(environment(environ, ["*"])) == set(environ)
