"""The batch scheduler's job and the workflow engine's task that the run is part of, from the variables they set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shark.content.variables import System, recognise

SCHEDULERS = (
    System(
        "slurm",
        ("SLURM_JOB_ID",),
        {
            "job": ("SLURM_JOB_ID",),
            "name": ("SLURM_JOB_NAME",),
            "step": ("SLURM_STEP_ID",),
            "rank": ("SLURM_PROCID",),
            "ranks": ("SLURM_NTASKS",),
            "array_job": ("SLURM_ARRAY_JOB_ID",),
            "array_index": ("SLURM_ARRAY_TASK_ID",),
            "cluster": ("SLURM_CLUSTER_NAME",),
            "queue": ("SLURM_JOB_PARTITION",),
            "nodes": ("SLURM_JOB_NODELIST",),
            "account": ("SLURM_JOB_ACCOUNT",),
            "submit_dir": ("SLURM_SUBMIT_DIR",),
        },
    ),
    System(
        "pbs",
        ("PBS_JOBID",),
        {
            "job": ("PBS_JOBID",),
            "name": ("PBS_JOBNAME",),
            "rank": ("PBS_TASKNUM", "PMIX_RANK"),
            "array_index": ("PBS_ARRAY_INDEX", "PBS_ARRAYID"),
            "queue": ("PBS_QUEUE",),
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
            "rank": ("LSF_PM_TASKID",),
            "array_index": ("LSB_JOBINDEX",),
            "queue": ("LSB_QUEUE",),
            "nodes": ("LSB_HOSTS",),
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
            "array_index": ("SGE_TASK_ID",),
            "queue": ("QUEUE",),
            "cluster": ("SGE_CLUSTER_NAME",),
            "submit_dir": ("SGE_O_WORKDIR",),
            "submit_host": ("SGE_O_HOST",),
        },
    ),
    System("htcondor", ("_CONDOR_JOB_AD",), {"job": ("CONDOR_ID",), "slot": ("_CONDOR_SLOT",)}),
    System(
        "flux", ("FLUX_JOB_ID",), {"job": ("FLUX_JOB_ID",), "rank": ("FLUX_TASK_RANK",), "ranks": ("FLUX_JOB_SIZE",)}
    ),
    System(
        "oar", ("OAR_JOB_ID",), {"job": ("OAR_JOB_ID",), "name": ("OAR_JOB_NAME",), "array_index": ("OAR_ARRAY_INDEX",)}
    ),
)
"""Schedulers, by the variables of their manuals' sections on the job's environment."""

WORKFLOWS = (
    System("nextflow", ("NXF_TASK_WORKDIR",), {"task_dir": ("NXF_TASK_WORKDIR",), "version": ("NXF_VER",)}),
    System(
        "airflow",
        ("AIRFLOW_CTX_DAG_ID",),
        {"workflow": ("AIRFLOW_CTX_DAG_ID",), "task": ("AIRFLOW_CTX_TASK_ID",), "run": ("AIRFLOW_CTX_DAG_RUN_ID",)},
    ),
    System("prefect", ("PREFECT__FLOW_RUN_ID",), {"run": ("PREFECT__FLOW_RUN_ID",)}),
    System("metaflow", ("METAFLOW_RUN_ID",), {"run": ("METAFLOW_RUN_ID",), "workflow": ("METAFLOW_FLOW_NAME",)}),
)
"""Workflow engines that show themselves to their tasks."""

# Slurm marks a job that is no array with this index; SGE writes the word instead.
_NO_INDEX = frozenset({"undefined", "4294967294"})


def scheduler(environ: Mapping[str, str]) -> dict[str, Any]:
    """`system, job, name, step, rank, array_index, queue …` of the job; empty outside of any."""
    found = recognise(SCHEDULERS, environ)
    no_array = found.get("array_index") in _NO_INDEX or (
        found.get("system") == "lsf" and found.get("array_index") == "0"
    )
    return {field: value for field, value in found.items() if not (field == "array_index" and no_array)}


def workflow(environ: Mapping[str, str]) -> dict[str, Any]:
    """`system, workflow, task, run …` of the workflow engine; empty without one."""
    return recognise(WORKFLOWS, environ)
