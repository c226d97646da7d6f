"""The only door to HiGHS: linear programs of one shape, solved one after another by one reused model."""

from dataclasses import dataclass
from functools import lru_cache

import highspy
import numpy as np
from numpy.typing import NDArray

from replen.plan.timing import FloatArray, IntArray

STATUSES = np.array(
    [highspy.HighsBasisStatus.kLower, highspy.HighsBasisStatus.kBasic, highspy.HighsBasisStatus.kUpper], dtype=object
)
LOWER, BASIC, UPPER = np.int8(0), np.int8(1), np.int8(2)
OPTIONS: dict[str, bool | int | float | str] = {
    "output_flag": False,
    "threads": 1,
    "presolve": "off",
    "solver": "simplex",
    "simplex_strategy": 4,  # primal
    "dual_feasibility_tolerance": 1e-9,
    "primal_feasibility_tolerance": 1e-9,
}


@dataclass(frozen=True)
class Matrix:
    """A sparse matrix: entry k is values[k] at (rows[k], columns[k]), no entry twice."""

    n_rows: int
    n_columns: int
    rows: IntArray
    columns: IntArray
    values: FloatArray


@dataclass(frozen=True)
class Program:
    """minimise cost.x subject to matrix @ x >= lower and 0 <= x <= upper.

    Attributes:
        cost: shape (n_columns,).
        upper: shape (n_columns,), inf = no limit.
        lower: shape (n_rows,).
    """

    cost: FloatArray
    upper: FloatArray
    lower: FloatArray


@dataclass(frozen=True)
class Optimum:
    """What the solver found.

    Attributes:
        values: shape (n_columns,).
        cost: its cost, money; no solution costs less.
        proven: False if the solver stopped without a proof of optimality; `cost` is then no bound.
    """

    values: FloatArray
    cost: float
    proven: bool


class TemplateSolver:
    """Solves programs that share one matrix; results depend on the program alone, never on the one before."""

    def __init__(self, matrix: Matrix) -> None:
        """Load the matrix once."""
        n_rows, n_columns = matrix.n_rows, matrix.n_columns
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = n_columns, n_rows
        program.col_cost_, program.col_lower_ = np.zeros(n_columns), np.zeros(n_columns)
        program.col_upper_ = np.full(n_columns, highspy.kHighsInf)
        program.row_lower_, program.row_upper_ = np.zeros(n_rows), np.full(n_rows, highspy.kHighsInf)
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        order = np.lexsort((matrix.rows, matrix.columns))
        program.a_matrix_.start_ = np.searchsorted(matrix.columns[order], np.arange(n_columns + 1)).astype(np.int32)
        program.a_matrix_.index_, program.a_matrix_.value_ = matrix.rows[order].astype(np.int32), matrix.values[order]
        self._model = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in OPTIONS.items():
            self._model.setOptionValue(option, value)
        self._model.passModel(program)
        self._columns, self._rows = np.arange(n_columns, dtype=np.int32), np.arange(n_rows, dtype=np.int32)
        self._zeros, self._no_limit = np.zeros(n_columns), np.full(n_rows, highspy.kHighsInf)
        self._basis = highspy.HighsBasis()

    def solve(self, program: Program, column_basis: NDArray[np.int8], row_basis: NDArray[np.int8]) -> Optimum:
        """Return the optimum of one program.

        Args:
            program: the program.
            column_basis: shape (n_columns,), LOWER, BASIC or UPPER: the basis to start from.
            row_basis: shape (n_rows,), LOWER or BASIC.
        """
        model = self._model
        model.clearSolver()  # forget the last solution: a series alone must give what it gives in a bucket
        model.changeColsCost(len(self._columns), self._columns, program.cost)
        model.changeColsBounds(len(self._columns), self._columns, self._zeros, program.upper)
        model.changeRowsBounds(len(self._rows), self._rows, program.lower, self._no_limit)  # type: ignore[attr-defined]
        self._basis.col_status = STATUSES[column_basis].tolist()
        self._basis.row_status = STATUSES[row_basis].tolist()
        self._basis.valid = True
        model.setBasis(self._basis)
        model.run()
        proven = model.getModelStatus() == highspy.HighsModelStatus.kOptimal
        values = np.array(model.getSolution().col_value)
        return Optimum(values, float(model.getInfo().objective_function_value), proven)


@lru_cache(maxsize=32)
def lost_sales_solver(n_steps: int, n_paths: int) -> TemplateSolver:
    """Return this process' solver for lost-sales programs of one shape.

    Columns: the receipt of each step, then ending stock by step and path. Row (step, path):
    ending stock - ending stock of the step before - receipt >= known receipts - demand (+ opening stock at the first step).
    """
    n_stock = n_steps * n_paths
    cells = np.arange(n_stock)
    later = cells[n_paths:]
    rows = np.concatenate([cells, cells, later])
    columns = np.concatenate([cells // n_paths, n_steps + cells, n_steps + later - n_paths])
    values = np.concatenate([-np.ones(n_stock), np.ones(n_stock), -np.ones(len(later))])
    return TemplateSolver(Matrix(n_stock, n_steps + n_stock, rows=rows, columns=columns, values=values))
