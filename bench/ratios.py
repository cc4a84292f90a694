"""A figure with the goal of docs/speed.md beside it."""


def ratio(what: str, ours: float, theirs: float, goal: float, *, most: bool = False) -> None:
    """Ours in terms of theirs. ``most``: the goal is an upper bound."""
    value = ours / theirs
    met = value <= goal if most else value >= goal
    print(f"  → {what}: {value:.2f}× (goal {'≤' if most else '≥'} {goal}×) {_word(met)}")


def bound(what: str, value: float, goal: float, unit: str) -> None:
    """Ours alone, with its upper bound."""
    print(f"  → {what}: {value:.4g} {unit} (goal ≤ {goal:g} {unit}) {_word(value <= goal)}")


def _word(met: bool) -> str:
    return "met" if met else "NOT MET"
