"""What a report says, before it is drawn or written: tables, words, and how numbers are spelt."""
