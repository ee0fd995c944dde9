"""Physical relations to SQL, through sqlglot's syntax trees; one file per dialect holds what differs."""
