//! What shippers ask before they begin, and what they are told. Which paths there are stands in the table
//! of doors.

use http::Method;
use serde_json::{Value, json};

use crate::http::visit::Visit;

/// The answer.
pub(super) fn answer(visit: &Visit<'_>) -> Value {
    let settings = &visit.reception.settings.elastic;
    let parts: Vec<&str> = visit.path.split('/').skip(1).collect();
    let puts = visit.parts.method == Method::PUT || visit.parts.method == Method::POST;
    let last = parts.last().copied().unwrap_or_default();
    match parts.as_slice() {
        [index] if puts => {
            json!({"acknowledged": true, "shards_acknowledged": true, "index": index})
        }
        _ if puts => json!({"acknowledged": true}),
        [] | [""] => root(&settings.version, &settings.cluster),
        ["_license", "basic_status"] => json!({"eligible_to_start_basic": false}),
        ["_license"] => json!({"license": license()}),
        ["_xpack"] => json!({
            "license": license(),
            "features": {"ilm": {"available": true, "enabled": true}},
        }),
        ["_cluster", "health", ..] => json!({
            "cluster_name": settings.cluster,
            "status": "green",
            "timed_out": false,
            "number_of_nodes": 1,
            "number_of_data_nodes": 1,
            "active_primary_shards": 1,
            "active_shards": 1,
            "relocating_shards": 0,
            "initializing_shards": 0,
            "unassigned_shards": 0,
            "delayed_unassigned_shards": 0,
            "number_of_pending_tasks": 0,
            "number_of_in_flight_fetch": 0,
            "task_max_waiting_in_queue_millis": 0,
            "active_shards_percent_as_number": 100.0,
        }),
        ["_cluster", "settings"] => json!({"persistent": {}, "transient": {}, "defaults": {}}),
        ["_nodes", ..] => json!({
            "_nodes": {"total": 1, "successful": 1, "failed": 0},
            "cluster_name": settings.cluster,
            "nodes": {"watchfloor": {
                "name": "watchfloor",
                "version": settings.version,
                "build_flavor": "default",
                "roles": ["data", "ingest", "master"],
                "ingest": {"processors": []},
            }},
        }),
        ["_cat", "templates", name] => json!([{"name": name, "index_patterns": "[*]"}]),
        ["_cat", ..] => json!([]),
        ["_ilm", "status"] => json!({"operation_mode": "RUNNING"}),
        ["_ilm", "policy", name, ..] => {
            json!({*name: {"version": 1, "policy": {"phases": {}}}})
        }
        ["_ilm", "policy"] | ["_ingest", "pipeline"] => json!({}),
        ["_ingest", "pipeline", name] => json!({*name: {"processors": []}}),
        ["_index_template", name] => json!({"index_templates": [
            {"name": name, "index_template": {"index_patterns": [], "data_stream": {}}},
        ]}),
        ["_component_template", name] => json!({"component_templates": [
            {"name": name, "component_template": {"template": {}}},
        ]}),
        ["_data_stream", name] => json!({"data_streams": [
            {"name": name, "timestamp_field": {"name": "@timestamp"}, "indices": [],
             "generation": 1, "status": "GREEN", "template": name},
        ]}),
        ["_template", name] => json!({*name: {"index_patterns": [], "order": 0}}),
        _ => json!({"name": last}),
    }
}

fn license() -> Value {
    json!({
        "status": "active",
        "uid": "00000000-0000-4000-8000-000000000000",
        "type": "basic",
        "mode": "basic",
        "issued_to": "watchfloor",
        "issuer": "elasticsearch",
        "max_nodes": 1000,
        "start_date_in_millis": -1,
    })
}

/// Who answers. Clients of 7.14 and later check the tagline and the build.
fn root(version: &str, cluster: &str) -> Value {
    json!({
        "name": "watchfloor",
        "cluster_name": cluster,
        "cluster_uuid": "d2F0Y2hmbG9vcndhdGNoZg",
        "version": {
            "number": version,
            "build_flavor": "default",
            "build_type": "docker",
            "build_hash": "0000000000000000000000000000000000000000",
            "build_date": "2026-01-01T00:00:00.000000000Z",
            "build_snapshot": false,
            "lucene_version": "9.12.0",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "You Know, for Search",
    })
}
