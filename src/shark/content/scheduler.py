"""The batch scheduler's job and the workflow engine's task that the run is part of, from the variables they set."""

from __future__ import annotations

from collections.abc import Mapping

from shark.content.masking import mask_text
from shark.content.variables import System, recognise
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_RANK = ("PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "PALS_RANKID")
_RANKS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""How MPI's launchers tell a process its number, and how many there are, where the scheduler itself does not."""

SCHEDULERS = (
    System(
        "slurm",
        ("SLURM_JOB_ID",),
        {
            "job": ("SLURM_JOB_ID",),
            "name": ("SLURM_JOB_NAME",),
            "step": ("SLURM_STEP_ID",),
            "rank": ("SLURM_PROCID", *_RANK),
            "ranks": ("SLURM_NTASKS", "SLURM_NPROCS"),
            "array_job": ("SLURM_ARRAY_JOB_ID",),
            "array_index": ("SLURM_ARRAY_TASK_ID",),
            "cluster": ("SLURM_CLUSTER_NAME",),
            "queue": ("SLURM_JOB_PARTITION",),
            "nodes": ("SLURM_JOB_NODELIST", "SLURM_NODELIST"),
            "node": ("SLURMD_NODENAME",),
            "cpus": ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"),
            "account": ("SLURM_JOB_ACCOUNT",),
            "restarts": ("SLURM_RESTART_COUNT",),
            "submit_dir": ("SLURM_SUBMIT_DIR",),
            "submit_host": ("SLURM_SUBMIT_HOST",),
        },
    ),
    System(
        "pbs",
        ("PBS_JOBID",),
        {
            "job": ("PBS_JOBID",),
            "name": ("PBS_JOBNAME",),
            "step": ("PBS_TASKNUM",),
            "rank": _RANK,
            "ranks": ("PBS_NP", *_RANKS),
            "array_job": ("PBS_ARRAY_ID",),
            "array_index": ("PBS_ARRAY_INDEX", "PBS_ARRAYID"),
            "queue": ("PBS_QUEUE",),
            "nodes_file": ("PBS_NODEFILE",),
            "cpus": ("NCPUS", "PBS_NUM_PPN"),
            "account": ("PBS_ACCOUNT",),
            "submit_dir": ("PBS_O_WORKDIR",),
            "submit_host": ("PBS_O_HOST",),
        },
    ),
    System(
        "lsf",
        ("LSB_JOBID",),
        {
            "job": ("LSB_JOBID",),
            "name": ("LSB_JOBNAME",),
            "rank": ("LSF_PM_TASKID", "JSM_NAMESPACE_RANK", *_RANK),
            "ranks": ("JSM_NAMESPACE_SIZE", *_RANKS),
            "array_index": ("LSB_JOBINDEX",),
            "queue": ("LSB_QUEUE",),
            "nodes": ("LSB_MCPU_HOSTS", "LSB_HOSTS"),
            "cpus": ("LSB_DJOB_NUMPROC",),
            "account": ("LSB_PROJECT_NAME",),
            "submit_dir": ("LS_SUBCWD",),
            "submit_host": ("LSB_SUB_HOST",),
        },
    ),
    System(
        "sge",
        ("SGE_O_WORKDIR", "JOB_ID"),
        {
            "job": ("JOB_ID",),
            "name": ("JOB_NAME",),
            "rank": _RANK,
            "ranks": _RANKS,
            "array_index": ("SGE_TASK_ID",),
            "queue": ("QUEUE",),
            "cpus": ("NSLOTS",),
            "nodes_file": ("PE_HOSTFILE",),
            "account": ("SGE_ACCOUNT",),
            "cluster": ("SGE_CLUSTER_NAME",),
            "restarts": ("RESTARTED",),
            "submit_dir": ("SGE_O_WORKDIR",),
            "submit_host": ("SGE_O_HOST",),
        },
    ),
    System("htcondor", ("_CONDOR_JOB_AD",), {"slot": ("_CONDOR_SLOT",), "task_dir": ("_CONDOR_SCRATCH_DIR",)}),
    System(
        "flux", ("FLUX_JOB_ID",), {"job": ("FLUX_JOB_ID",), "rank": ("FLUX_TASK_RANK",), "ranks": ("FLUX_JOB_SIZE",)}
    ),
    System(
        "oar", ("OAR_JOB_ID",), {"job": ("OAR_JOB_ID",), "name": ("OAR_JOB_NAME",), "array_index": ("OAR_ARRAY_INDEX",)}
    ),
    System(
        "aws-batch",
        ("AWS_BATCH_JOB_ID",),
        {
            "job": ("AWS_BATCH_JOB_ID",),
            "rank": ("AWS_BATCH_JOB_NODE_INDEX",),
            "ranks": ("AWS_BATCH_JOB_NUM_NODES",),
            "array_index": ("AWS_BATCH_JOB_ARRAY_INDEX",),
            "queue": ("AWS_BATCH_JQ_NAME",),
            "cluster": ("AWS_BATCH_CE_NAME",),
            "attempt": ("AWS_BATCH_JOB_ATTEMPT",),
        },
    ),
    System(
        "google-batch",
        ("BATCH_TASK_INDEX", "BATCH_TASK_COUNT"),
        {"job": ("BATCH_JOB_UID",), "array_index": ("BATCH_TASK_INDEX",), "restarts": ("BATCH_TASK_RETRY_ATTEMPT",)},
    ),
    System(
        "azure-batch",
        ("AZ_BATCH_JOB_ID",),
        {
            "job": ("AZ_BATCH_JOB_ID",),
            "step": ("AZ_BATCH_TASK_ID",),
            "queue": ("AZ_BATCH_POOL_ID",),
            "node": ("AZ_BATCH_NODE_ID",),
            "account": ("AZ_BATCH_ACCOUNT_NAME",),
        },
    ),
)
"""Schedulers, by the variables of their manuals' sections on the job's environment."""

WORKFLOWS = (
    System("nextflow", ("NXF_TASK_WORKDIR",), {"task_dir": ("NXF_TASK_WORKDIR",), "version": ("NXF_VER",)}),
    System(
        "airflow",
        ("AIRFLOW_CTX_DAG_ID",),
        {
            "workflow": ("AIRFLOW_CTX_DAG_ID",),
            "task": ("AIRFLOW_CTX_TASK_ID",),
            "run": ("AIRFLOW_CTX_DAG_RUN_ID",),
            "attempt": ("AIRFLOW_CTX_TRY_NUMBER",),
        },
    ),
    System("argo", ("ARGO_NODE_ID",), {"task": ("ARGO_NODE_ID",), "workflow": ("ARGO_WORKFLOW_NAME",)}),
    System("prefect", ("PREFECT__FLOW_RUN_ID",), {"run": ("PREFECT__FLOW_RUN_ID",)}),
    System(
        "dagster",
        ("DAGSTER_RUN_JOB_NAME",),
        {"run": ("DAGSTER_RUN_ID",), "workflow": ("DAGSTER_RUN_JOB_NAME",)},
    ),
    System("dvc", ("DVC_ROOT",), {"workflow": ("DVC_ROOT",), "run": ("DVC_EXP_NAME",)}),
    System("galaxy", ("_GALAXY_JOB_HOME_DIR",), {"task_dir": ("_GALAXY_JOB_DIR", "_GALAXY_JOB_HOME_DIR")}),
    System(
        "metaflow",
        ("METAFLOW_RUN_ID",),
        {"run": ("METAFLOW_RUN_ID",), "workflow": ("METAFLOW_FLOW_NAME",), "task": ("METAFLOW_STEP_NAME",)},
    ),
)
"""Workflow engines that show themselves to their tasks."""

# Slurm marks a job that is no array with this index; SGE writes the word instead.
_NO_INDEX = frozenset({"undefined", "4294967294"})


def scheduler(environ: Mapping[str, str]) -> dict[str, Any]:
    """`system, job, name, step, rank, array_index, queue …` of the job; empty outside of any."""
    found = recognise(SCHEDULERS, environ)
    if found.get("system") == "htcondor":
        found.update(_condor(environ["_CONDOR_JOB_AD"]))
    no_array = found.get("array_index") in _NO_INDEX or (
        found.get("system") == "lsf" and found.get("array_index") == "0"
    )
    return {field: value for field, value in found.items() if not (field == "array_index" and no_array)}


def _condor(file: str) -> dict[str, str]:
    """HTCondor tells in a file what others tell in variables: lines of `Name = value`."""
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            lines = stream.read(1 << 20).splitlines()
    except OSError:
        return {}
    pairs = {name.strip(): value.strip().strip('"') for name, _, value in (line.partition("=") for line in lines)}
    fields = {"job": "ClusterId", "array_index": "ProcId", "account": "AcctGroup", "submit_dir": "Iwd"}
    return {field: mask_text(pairs[name]) for field, name in fields.items() if pairs.get(name)}


def workflow(environ: Mapping[str, str]) -> dict[str, Any]:
    """`system, workflow, task, run …` of the workflow engine; empty without one."""
    return recognise(WORKFLOWS, environ)
