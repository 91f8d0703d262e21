"""The report of a study: gathering (all numbers) -> findings (sentences) and tables -> page (HTML)."""
