"""Physical relations to SQL, through sqlglot's syntax trees; one package per dialect holds what differs."""
