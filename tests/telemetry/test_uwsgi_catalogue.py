"""The names that uwsgi_exporter's users have on their dashboards."""

from proxy.telemetry.uwsgi_catalogue import ALL

KNOWN = """
uwsgi_up uwsgi_workers uwsgi_listen_queue_length uwsgi_listen_queue_errors uwsgi_signal_queue_length
uwsgi_socket_queue_length uwsgi_socket_max_queue_length uwsgi_socket_shared uwsgi_socket_can_offload
uwsgi_worker_busy uwsgi_worker_idle uwsgi_worker_cheap uwsgi_worker_accepting
uwsgi_worker_requests_total uwsgi_worker_delta_requests uwsgi_worker_exceptions_total
uwsgi_worker_harakiri_count_total uwsgi_worker_respawn_count_total uwsgi_worker_signals_total
uwsgi_worker_signal_queue_length uwsgi_worker_transmitted_bytes_total uwsgi_worker_rss_bytes
uwsgi_worker_vsz_bytes uwsgi_worker_average_response_time_seconds
uwsgi_worker_running_time_seconds uwsgi_worker_last_spawn_time_seconds uwsgi_worker_apps
uwsgi_worker_cores
"""


def test_the_names_are_the_known_ones() -> None:
    assert [entry.shown for entry in ALL] == KNOWN.split()


def test_labels() -> None:
    for entry in ALL:
        first, second, *others = entry.labels
        assert (first, second) == ("backend", "stats_uri")
        if entry.name.startswith("uwsgi_worker_"):
            assert others == ["worker_id"]
        else:
            assert others == (["name", "proto"] if "_socket_" in entry.name else [])
