"""The package, its extras and the `replen` command."""

from setuptools import find_packages, setup

setup(
    name="replen",
    version="0.1.0",
    description="Replenishment planning on Spark: from transactions to a certified order table, for millions of SKUs",
    python_requires=">=3.11,<3.13",
    packages=find_packages(include=["replen", "replen.*", "jobs"]),
    package_data={"replen": ["py.typed", "conf/*.yaml", "orders/migrations/script.py.mako"]},
    install_requires=[
        "pyspark>=4.1,<5",
        "pandas>=2.2,<3",
        "pyarrow>=18",
        "numpy>=2",
        "scipy>=1.16",
        "highspy>=1.10",
        "mlflow>=3.4,<4",
        "deltalake>=1.6,<2",
        "pydantic>=2.10,<3",
        "PyYAML>=6",
        "SQLAlchemy>=2,<3",
        "alembic>=1.13,<2",
        "rich>=13",
        "fsspec>=2024.1",
        "scikit-learn>=1.6",
        "statsforecast>=2.0",
        "lightgbm>=4.5",
        "numba>=0.60",
        "matplotlib>=3.8",
    ],
    extras_require={
        "cpu": ["tensorflow-cpu>=2.18", "keras>=3.8,<4"],
        "gpu": ["tensorflow[and-cuda]>=2.18", "keras>=3.8,<4"],
        "horovod": ["horovod==0.28.1", "psutil", "cffi", "cloudpickle", "packaging", "fsspec"],
        "sql": ["psycopg[binary]>=3.2", "PyMySQL>=1.2"],
        "peers": ["mlforecast>=1.0"],  # fitted by the scoring jobs beside our forecasters
        "dev": [
            "pytest>=8",
            "hypothesis>=6",
            "ruff>=0.15",
            "mypy>=1.15",
            "pandas-stubs",
            "types-PyYAML",
            "nbclient",
            "ipykernel",
        ],
    },
    entry_points={"console_scripts": ["replen = replen.cli:main"]},
)
