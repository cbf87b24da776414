def capitals(text: str) -> str:
    return text.upper()
