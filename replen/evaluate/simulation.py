"""Inventory simulated over demand paths: what a policy would have cost.

Order of events: at the end of step t-1 the order is placed, knowing demand up to t-1; it is on the shelf at the start of step
t + lead_time. In each step: receive, sell, throw away what is too old, count cost. An order that is expected only after the
last step is not placed: it could change nothing that is counted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replen.evaluate.nervousness import PlanChanges, Planning
from replen.evaluate.pipeline import LatePipeline, PromptPipeline
from replen.evaluate.simulation_kernel import Happened, Levels, play_rows
from replen.plan.policies.fixed_cycle import OrderUpTo
from replen.plan.policies.known import Known, Policy
from replen.plan.positions import Positions
from replen.plan.shelf_life import too_old
from replen.plan.timing import FloatArray, IntArray


@dataclass(frozen=True)
class Reality:
    """What may go otherwise than the positions say; None: it does not.

    Attributes:
        lead_times: shape (n_steps, n_series, n_paths), periods that the order placed at each step really takes; orders may
            overtake each other. The policy expects the mean lead time of the positions, and sees what is overdue as due now.
        shelf_life: shape (n_series,), periods in which a unit can be sold, that of its arrival included; sold first in, first
            out. What is on the shelf at the start is as fresh as what arrives in step 0.
    """

    lead_times: IntArray | None = None
    shelf_life: IntArray | None = None


AS_PLANNED = Reality()


@dataclass(frozen=True)
class History:
    """What happened, arrays of shape (n_steps, n_series, n_paths), units.

    Attributes:
        orders: placed before the step's demand.
        on_hand: left at the end of the step.
        short: demand of the step that was lost, or units owed at its end under backorders.
        demand: wanted in the step.
        sold: demand of the step served from the shelf within the step.
        waste: thrown away at the end of the step, before `on_hand` is counted.
        undelivered: shape (n_series, n_paths), units ordered that arrive after the last step.
        nervousness: shape (n_series,), mean absolute change of the order planned for a date from one plan to the next, over the
            dates that both plans cover, units; NaN where the policy states no plans.
    """

    orders: FloatArray
    on_hand: FloatArray
    short: FloatArray
    demand: FloatArray
    sold: FloatArray
    waste: FloatArray
    undelivered: FloatArray
    nervousness: FloatArray


def simulate(
    positions: Positions, demand: FloatArray, policy: Policy, *, backorders: bool = False, reality: Reality = AS_PLANNED
) -> History:
    """Return what happens on every path when the policy is asked at every review.

    Args:
        positions: n_series positions; receipts reach as far as demand.
        demand: shape (n_steps, n_series, n_paths), units; as many paths as the positions have delays of, where lead times vary.
        policy: what orders.
        backorders: True: unmet demand waits and is served first; False: it is lost (positions then owe nothing, see
            `plan.positions.serve_backorders`).
        reality: what goes otherwise than the positions say.
    """
    if isinstance(policy, OrderUpTo) and reality.lead_times is None:
        return _ordered_up_to(positions, demand, policy, shelf_life=reality.shelf_life, backorders=backorders)
    n_paths = demand.shape[2]
    late = reality.lead_times
    if late is None and positions.delays is not None:
        late = np.broadcast_to(positions.lead_times, demand.shape)
    pipeline = PromptPipeline(positions, n_paths) if late is None else LatePipeline(positions, late)
    keeping = None if reality.shelf_life is None else _Keeping(reality.shelf_life, demand.shape)
    changes = PlanChanges(demand.shape) if isinstance(policy, Planning) else None
    seen = np.zeros_like(demand)  # filled as time goes by: what a policy is shown holds nothing of the future
    orders, on_hand, short, sold, waste = (np.zeros(demand.shape) for _ in range(5))
    net = np.repeat((positions.on_hand - positions.backorders)[:, None], n_paths, axis=1)
    may_order = positions.may_order
    for step, wanted in enumerate(demand):
        allowed = may_order[:, step]
        if allowed.any():
            due, past = _read_only(pipeline.expected(step)), _read_only(seen[:step])
            known = Known(step, np.maximum(net, 0.0), np.maximum(-net, 0.0), due, past)
            orders[step] = np.where(allowed[:, None], _asked(policy, known, changes, allowed), 0.0)
            pipeline.place(step, np.flatnonzero(allowed), orders[step, allowed])
        received = pipeline.receive(step)
        available = net + received
        net = available - wanted
        np.maximum(net, 0.0, out=on_hand[step])
        np.maximum(-net, 0.0, out=short[step])
        np.minimum(np.maximum(available, 0.0), wanted, out=sold[step])
        if keeping is not None:
            waste[step] = keeping.expired(step, received, on_hand[step])
            on_hand[step] -= waste[step]
            net = net - waste[step]
        net = net if backorders else on_hand[step]
        seen[step] = wanted
    nervousness = np.full(positions.n_series, np.nan) if changes is None else changes.mean()
    return History(orders, on_hand, short, demand, sold, waste, pipeline.undelivered(), nervousness)


def _ordered_up_to(
    positions: Positions, demand: FloatArray, policy: OrderUpTo, *, shelf_life: IntArray | None, backorders: bool
) -> History:
    """Return the same of the policy that is asked most often, compiled."""
    n_steps, n_series, n_paths = demand.shape
    by_path = (n_series, n_paths)
    lateness = np.zeros(by_path, np.int64) if positions.lateness is None else positions.lateness
    levels = Levels(
        opening=positions.on_hand - positions.backorders,
        receipts=positions.receipts,
        lateness=np.ascontiguousarray(lateness),
        lead_times=np.ascontiguousarray(np.broadcast_to(positions.lead_times, by_path)),
        may_order=positions.may_order,
        level=np.ascontiguousarray(policy.levels),
        multiple=policy.positions.order_multiple,
        smallest=policy.positions.smallest_order,
        largest=policy.positions.largest_order,
        shelf_life=np.full(n_series, n_steps + 1) if shelf_life is None else shelf_life,
        waits=backorders,
    )
    orders, on_hand, short, sold, waste = (np.zeros(demand.shape) for _ in range(5))
    undelivered = np.zeros(by_path)
    play_rows(levels, np.ascontiguousarray(demand), Happened(orders, on_hand, short, sold, waste, undelivered))
    return History(orders, on_hand, short, demand, sold, waste, undelivered, np.full(n_series, np.nan))


def _asked(policy: Policy, known: Known, changes: PlanChanges | None, reviewed: NDArray[np.bool_]) -> FloatArray:
    """Return what the policy orders, (n_series, n_paths); its plan, where it states one, is compared with its last."""
    if changes is None or not isinstance(policy, Planning):
        return policy(known)
    plan = policy.orders_by_step(known)
    changes.add(known.step, plan, reviewed)
    return np.asarray(plan[0])


def _read_only(units: FloatArray) -> FloatArray:
    """Return a view that cannot be written to."""
    view = units.view()
    view.flags.writeable = False
    return view


class _Keeping:
    """Knows what is too old: of what is left, first in, first out, what no receipt of the last shelf life explains."""

    def __init__(self, shelf_life: IntArray, shape: tuple[int, ...]) -> None:
        """Start with nothing received."""
        self._shelf_life = np.minimum(shelf_life, shape[0] + 1)
        self._received = np.zeros((shape[0] + 1, *shape[1:]))  # running totals

    def expired(self, step: int, received: FloatArray, left: FloatArray) -> FloatArray:
        """Return units that cannot be sold after this step, (n_series, n_paths), of `left`."""
        self._received[step + 1] = self._received[step] + received
        return too_old(left, self._received, self._shelf_life, step=step)


@dataclass(frozen=True)
class Score:
    """Money and service by series, means over paths, all of shape (n_series,).

    Attributes:
        purchase: money for units ordered, but for those that arrive after the last step.
        order_lines: money for order lines.
        holding: money for units left at the end of each step.
        shortage: money for lost sales, or for units owed at the end of each step.
        end_value: money that units left after the last step are worth, less what those then owed still cost.
        demand: units wanted.
        sold: units served from the shelf in the step they were wanted in.
        waste: units thrown away; their money is in purchase.
        mean_on_hand: units left at the end of a step, mean over steps.
        n_order_lines: order lines placed.
        cycle_service_level: share of steps without a shortage, 0..1.
        nervousness: see `History`.
    """

    purchase: FloatArray
    order_lines: FloatArray
    holding: FloatArray
    shortage: FloatArray
    end_value: FloatArray
    demand: FloatArray
    sold: FloatArray
    waste: FloatArray
    mean_on_hand: FloatArray
    n_order_lines: FloatArray
    cycle_service_level: FloatArray
    nervousness: FloatArray

    @property
    def cost(self) -> FloatArray:
        """Return all money less the end value, (n_series,)."""
        return self.purchase + self.order_lines + self.holding + self.shortage - self.end_value

    @property
    def fill_rate(self) -> FloatArray:
        """Return the share of demand served at once, (n_series,), 0..1; 1 where nothing was wanted."""
        return np.divide(self.sold, self.demand, out=np.ones_like(self.sold), where=self.demand > 0)

    @property
    def turns(self) -> FloatArray:
        """Return how often the mean stock was sold in the steps scored, (n_series,); inf where there was none but sales."""
        out = np.where(self.sold > 0, np.inf, 0.0)
        return np.divide(self.sold, self.mean_on_hand, out=out, where=self.mean_on_hand > 0)


def score(positions: Positions, history: History, *, backorders: bool = False, first_step: int = 0) -> Score:
    """Return costs and service of a simulated history.

    Args:
        positions: the series' costs.
        history: what `simulate` returned.
        backorders: as given to `simulate`.
        first_step: steps before it are not scored.
    """

    def total(units: FloatArray) -> FloatArray:
        return np.asarray(units[first_step:].sum(axis=0).mean(axis=1))

    short, n_lines, held = history.short[first_step:], total((history.orders > 0).astype(np.float64)), total(history.on_hand)
    return Score(
        purchase=positions.unit_cost * (total(history.orders) - history.undelivered.mean(axis=1)),
        order_lines=positions.order_cost * n_lines,
        holding=positions.holding_cost * held,
        shortage=(positions.backorder_cost if backorders else positions.lost_sale_cost) * total(history.short),
        end_value=positions.end_value * (history.on_hand[-1] - (history.short[-1] if backorders else 0.0)).mean(axis=1),
        demand=total(history.demand),
        sold=total(history.sold),
        waste=total(history.waste),
        mean_on_hand=held / len(short),
        n_order_lines=n_lines,
        cycle_service_level=(short <= 0).mean(axis=(0, 2)),
        nervousness=history.nervousness,
    )
