"""Files as CodeCarbon writes them: the columns of 2.x and 3.x, a row a run."""

from datetime import UTC, datetime

NOW = datetime(2026, 11, 20, 20, 0, 0, tzinfo=UTC)

COLUMNS_2 = [
    name.strip()
    for name in [
        "\n    timestamp",
        "project_name",
        "run_id",
        "duration",
        "emissions",
        "emissions_rate",
        "cpu_power",
        "gpu_power",
        "ram_power",
        "cpu_energy",
        "\n    gpu_energy",
        "ram_energy",
        "energy_consumed",
        "country_name",
        "country_iso_code",
        "region",
        "cloud_provider",
        "cloud_region",
        "os",
        "\n    python_version",
        "codecarbon_version",
        "cpu_count",
        "cpu_model",
        "gpu_count",
        "gpu_model",
        "longitude",
        "latitude",
        "ram_total_size",
        "\n    tracking_mode",
        "on_cloud",
        "pue\n",
    ]
]
COLUMNS_3 = [
    name.strip()
    for name in [
        "\n    timestamp",
        "project_name",
        "run_id",
        "experiment_id",
        "duration",
        "emissions",
        "emissions_rate",
        "cpu_power",
        "gpu_power",
        "ram_power",
        "\n    cpu_energy",
        "gpu_energy",
        "ram_energy",
        "energy_consumed",
        "water_consumed",
        "country_name",
        "country_iso_code",
        "region",
        "\n    cloud_provider",
        "cloud_region",
        "os",
        "python_version",
        "codecarbon_version",
        "cpu_count",
        "cpu_model",
        "gpu_count",
        "gpu_model",
        "\n    longitude",
        "latitude",
        "ram_total_size",
        "tracking_mode",
        "cpu_utilization_percent",
        "gpu_utilization_percent",
        "\n    ram_utilization_percent",
        "ram_used_gb",
        "on_cloud",
        "pue",
        "wue\n",
    ]
]

USUAL = {
    "timestamp": "2026-11-20T19:00:04",
    "project_name": "meta-llama/Llama-3.1-8B",
    "run_id": "00000000-0000-4000-8000-000000000001",
    "duration": "600.25",
    "emissions": "0.0331",
    "cpu_energy": "0.007",
    "gpu_energy": "0.054",
    "ram_energy": "0.006",
    "energy_consumed": "0.067",
    "gpu_model": "4 x Fake GPU",
    "tracking_mode": "machine",
    "pue": "1.0",
}


def line(columns=COLUMNS_3, **changes):
    row = USUAL | changes
    return ",".join(f'"{value}"' if "," in (value := row.get(name, "")) else value for name in columns)


def file_of(*lines, columns=COLUMNS_3, end="\n"):
    return end.join([",".join(columns), *lines, ""]).encode()
