"""How sentences count."""


def counted(number: int, noun: str) -> str:
    """`1 circuit`, `6 circuits`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
