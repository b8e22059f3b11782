"""The environment variables that explain a result, from an allow-list; secrets masked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from shark.content.masking import mask_argv, mask_environment, mask_text

__all__ = ["ALLOWED", "environment", "mask_argv", "mask_environment", "mask_text"]

_LOCALE = "LANG LANGUAGE LC_* TZ"
_SEARCH = "PATH LD_* MANPATH PKG_CONFIG_PATH CMAKE_PREFIX_PATH CPATH C_INCLUDE_PATH LIBRARY_PATH CLASSPATH NODE_PATH"
_LANGUAGES = (
    "PYTHON* VIRTUAL_ENV CONDA_* MAMBA_* PIXI_* UV_* R_* RENV_* JULIA_* PERL5LIB PERL_* RUBYLIB GEM_* NODE_* JAVA_* "
    "GOPATH GOFLAGS GOROOT RUST* CARGO_HOME MATLAB* OCTAVE_* STATA* GHC*"
)
_NUMBERS = (
    "OMP_* GOMP_* KMP_* OPENBLAS_* MKL_* BLIS_* VECLIB_* NUMEXPR_* NUMBA_* ATLAS_* CUDA_* NVIDIA_* CUBLAS_* CUDNN_* "
    "HIP_* ROCR_* ROCM_* XLA_* TF_* TORCH_* PYTORCH_* JAX_* OMPI_* MPI* PMI_* UCX_* I_MPI_* DASK_* RAY_* ARROW_*"
)
_GEO = "GDAL_* OGR_* PROJ_* GEOS_* CPL_* GRASS_* QGIS_* ESMF* HDF5_* NETCDF* ECCODES_* GRIB_*"
_BUILD = (
    "CC CXX FC F77 F90 CPP LD AR AS CFLAGS CXXFLAGS CPPFLAGS FFLAGS FCFLAGS LDFLAGS LDLIBS MAKEFLAGS MAKELEVEL MFLAGS "
    "CMAKE_* NINJA_STATUS SOURCE_DATE_EPOCH ARCH CROSS_COMPILE"
)
_MACHINES = (
    "SLURM_* PBS_* LSB_* SGE_* OAR_* FLUX_* NXF_* SNAKEMAKE_* MODULEPATH LOADEDMODULES _LMFILES_ LMOD_* SPACK_* "
    "EBROOT* EBVERSION* EBDEVEL* EASYBUILD_* GUIX_* NIX_* APPTAINER_* SINGULARITY_* "
    "ORG_OPENCONTAINERS_* WSL_DISTRO_NAME"
)
_REST = "SHELL TMPDIR TMP TEMP HOSTTYPE MALLOC_* GLIBC_TUNABLES POSIXLY_CORRECT SHARK_*"

_MAGIC = frozenset("*?[")

ALLOWED: tuple[str, ...] = tuple(
    " ".join((_LOCALE, _SEARCH, _LANGUAGES, _NUMBERS, _GEO, _BUILD, _MACHINES, _REST)).split()
)
"""Names of the variables that are recorded, as shell patterns."""


def environment(environ: Mapping[str, str], extra: Iterable[str] = ()) -> dict[str, str]:
    """The variables that match ALLOWED or one of `extra`'s patterns, by name, with secrets masked."""
    patterns = (*ALLOWED, *extra)
    prefixes = tuple(p[:-1] for p in patterns if p[-1:] == "*" and not _MAGIC.intersection(p[:-1]))
    exact = {pattern for pattern in patterns if not _MAGIC.intersection(pattern)}
    # Few patterns are neither: a regular expression for each of a hundred would take longer than all the rest.
    others = [pattern for pattern in patterns if _MAGIC.intersection(pattern[:-1]) or pattern[-1:] in ("?", "]")]
    kept = {name: environ[name] for name in sorted(environ) if name in exact or _fits(name, prefixes, others)}
    return mask_environment(kept)


def _fits(name: str, prefixes: tuple[str, ...], patterns: list[str]) -> bool:
    return name.startswith(prefixes) or any(fnmatchcase(name, pattern) for pattern in patterns)
