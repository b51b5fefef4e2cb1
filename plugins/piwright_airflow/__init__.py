"""Everything of piwright that must import Airflow, besides the DAGs."""
