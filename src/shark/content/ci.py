"""The job of a continuous-integration system that the run is part of, from the variables that it sets."""

from __future__ import annotations

from collections.abc import Mapping

from shark.content.variables import System, recognise
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_JENKINS = {
    "repository": ("GIT_URL", "GIT_URL_1"),
    "commit": ("GIT_COMMIT",),
    "ref": ("GIT_BRANCH", "BRANCH_NAME", "CHANGE_BRANCH"),
    "run": ("BUILD_NUMBER",),
    "job": ("JOB_NAME",),
    "url": ("BUILD_URL",),
    "runner": ("NODE_NAME",),
}

SYSTEMS = (
    System(
        "forgejo",
        ("FORGEJO_ACTIONS",),
        {
            "repository": ("GITHUB_REPOSITORY",),
            "commit": ("GITHUB_SHA",),
            "ref": ("GITHUB_REF",),
            "run": ("GITHUB_RUN_ID",),
        },
    ),
    System(
        "github",
        ("GITHUB_ACTIONS",),
        {
            "repository": ("GITHUB_REPOSITORY",),
            "commit": ("GITHUB_SHA",),
            "ref": ("GITHUB_REF",),
            "run": ("GITHUB_RUN_ID",),
            "attempt": ("GITHUB_RUN_ATTEMPT",),
            "workflow": ("GITHUB_WORKFLOW_REF", "GITHUB_WORKFLOW"),
            "job": ("GITHUB_JOB",),
            "event": ("GITHUB_EVENT_NAME",),
            "actor": ("GITHUB_ACTOR",),
            "runner": ("RUNNER_NAME",),
            "server": ("GITHUB_SERVER_URL",),
        },
    ),
    System(
        "gitlab",
        ("GITLAB_CI",),
        {
            "repository": ("CI_PROJECT_PATH",),
            "commit": ("CI_COMMIT_SHA",),
            "ref": ("CI_COMMIT_REF_NAME",),
            "run": ("CI_PIPELINE_ID",),
            "job": ("CI_JOB_NAME",),
            "job_id": ("CI_JOB_ID",),
            "url": ("CI_JOB_URL",),
            "event": ("CI_PIPELINE_SOURCE",),
            "image": ("CI_JOB_IMAGE",),
            "runner": ("CI_RUNNER_DESCRIPTION",),
            "server": ("CI_SERVER_URL",),
        },
    ),
    System("jenkins", ("JENKINS_URL", "BUILD_NUMBER"), _JENKINS),
    System("jenkins", ("JENKINS_HOME", "BUILD_NUMBER"), _JENKINS),  # whose administrator has not set its address
    System(
        "buildkite",
        ("BUILDKITE",),
        {
            "repository": ("BUILDKITE_REPO",),
            "commit": ("BUILDKITE_COMMIT",),
            "ref": ("BUILDKITE_BRANCH",),
            "run": ("BUILDKITE_BUILD_NUMBER",),
            "workflow": ("BUILDKITE_PIPELINE_SLUG",),
            "event": ("BUILDKITE_SOURCE",),
            "job": ("BUILDKITE_LABEL", "BUILDKITE_STEP_KEY"),
            "job_id": ("BUILDKITE_JOB_ID",),
            "url": ("BUILDKITE_BUILD_URL",),
            "runner": ("BUILDKITE_AGENT_NAME",),
        },
    ),
    System(
        "circleci",
        ("CIRCLECI",),
        {
            "repository": ("CIRCLE_REPOSITORY_URL",),
            "commit": ("CIRCLE_SHA1",),
            "ref": ("CIRCLE_BRANCH", "CIRCLE_TAG"),
            "run": ("CIRCLE_BUILD_NUM",),
            "job": ("CIRCLE_JOB",),
            "url": ("CIRCLE_BUILD_URL",),
        },
    ),
    System(
        "azure",
        ("TF_BUILD",),
        {
            "repository": ("BUILD_REPOSITORY_URI", "BUILD_REPOSITORY_NAME"),
            "commit": ("BUILD_SOURCEVERSION",),
            "ref": ("BUILD_SOURCEBRANCH",),
            "run": ("BUILD_BUILDID",),
            "job": ("AGENT_JOBNAME",),
        },
    ),
    System(
        "bitbucket",
        ("BITBUCKET_BUILD_NUMBER",),
        {
            "repository": ("BITBUCKET_REPO_FULL_NAME",),
            "commit": ("BITBUCKET_COMMIT",),
            "ref": ("BITBUCKET_BRANCH", "BITBUCKET_TAG"),
            "run": ("BITBUCKET_BUILD_NUMBER",),
        },
    ),
    System(
        "woodpecker",
        ("CI_PIPELINE_NUMBER", "CI_REPO"),
        {
            "repository": ("CI_REPO",),
            "commit": ("CI_COMMIT_SHA",),
            "ref": ("CI_COMMIT_REF",),
            "run": ("CI_PIPELINE_NUMBER",),
            "url": ("CI_PIPELINE_URL",),
        },
    ),
    System(
        "travis",
        ("TRAVIS",),
        {
            "repository": ("TRAVIS_REPO_SLUG",),
            "commit": ("TRAVIS_COMMIT",),
            "ref": ("TRAVIS_BRANCH", "TRAVIS_TAG"),
            "run": ("TRAVIS_BUILD_ID",),
            "job": ("TRAVIS_JOB_NAME", "TRAVIS_JOB_NUMBER"),
            "job_id": ("TRAVIS_JOB_ID",),
            "url": ("TRAVIS_JOB_WEB_URL", "TRAVIS_BUILD_WEB_URL"),
            "event": ("TRAVIS_EVENT_TYPE",),
        },
    ),
    System(
        "drone",
        ("DRONE",),
        {
            "repository": ("DRONE_REPO",),
            "commit": ("DRONE_COMMIT_SHA", "DRONE_COMMIT"),
            "ref": ("DRONE_COMMIT_REF", "DRONE_BRANCH"),
            "run": ("DRONE_BUILD_NUMBER",),
            "job": ("DRONE_STEP_NAME",),
            "url": ("DRONE_BUILD_LINK",),
            "event": ("DRONE_BUILD_EVENT",),
        },
    ),
    System(
        "codebuild",
        ("CODEBUILD_BUILD_ID",),
        {
            "repository": ("CODEBUILD_SOURCE_REPO_URL",),
            "commit": ("CODEBUILD_RESOLVED_SOURCE_VERSION",),
            "ref": ("CODEBUILD_WEBHOOK_HEAD_REF", "CODEBUILD_SOURCE_VERSION"),
            "run": ("CODEBUILD_BUILD_ID",),
            "url": ("CODEBUILD_PUBLIC_BUILD_URL", "CODEBUILD_BUILD_URL"),
        },
    ),
    System("ci", ("CI",), {}),
)
"""CI systems, by the variables that their documentation guarantees; the last one is the convention that most follow."""


def ci(environ: Mapping[str, str]) -> dict[str, Any]:
    """`system, repository, commit, ref, run, job, url …`; empty outside of CI (`CI` unset, or set to false)."""
    if environ.get("CI", "").lower() in ("false", "0"):
        return {}
    found = recognise(SYSTEMS, environ)
    if found.get("system") == "github" and "url" not in found and "run" in found:
        server = found.get("server", "https://github.com")
        found["url"] = f"{server}/{found.get('repository', '')}/actions/runs/{found['run']}"
        if "attempt" in found:
            found["url"] += f"/attempts/{found['attempt']}"
    return found
