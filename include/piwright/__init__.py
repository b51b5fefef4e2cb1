"""piwright: a wheel shop for Raspberry Pi, run by Apache Airflow."""
