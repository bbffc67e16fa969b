//! The examples of processes are built by their own commands and do what their READMEs say.

use serde_json::{Value, json};
use skep_node::Mode;
use skep_tests::host::{Reply, send};
use skep_tests::{Host, Sse, eventually, guests};

/// An example in a folder of the test's own, that another host can be started in; with its manifest changed here and there.
async fn example(name: &str, changes: &[(&str, &str)]) -> Host {
    let root = guests::root().display().to_string();
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| format!("{root}/target"));
    let manifest = std::fs::read_to_string(format!("{root}/examples/{name}/skep.toml")).unwrap();
    let manifest = manifest
        .replace("../../target", &target)
        .replace("cargo build", &format!("cargo build --manifest-path {root}/Cargo.toml"));
    let manifest = changes.iter().fold(manifest, |manifest, (from, to)| {
        assert!(manifest.contains(from), "{from} is not in {manifest}");
        manifest.replace(from, to)
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("skep.toml"), manifest).unwrap();
    Host::in_folder(dir, Mode::Development).await.unwrap()
}

async fn json_of(host: &Host, path: &str) -> Value {
    let answer = host.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rows_are_ticked_down_to_zero_and_no_tick_is_lost() {
    let small = [
        ("ROWS = \"20000\"", "ROWS = \"40\""),
        ("AT_ONCE = \"10000\"", "AT_ONCE = \"20\""),
        ("NUMBER = \"10\"", "NUMBER = \"5\""),
        ("TICK_MS = \"1000\"", "TICK_MS = \"50\""),
        ("LOOK_MS = \"2000\"", "LOOK_MS = \"100\""),
        ("ROUNDS = \"0\"", "ROUNDS = \"3\""),
    ];
    let host = example("rows", &small).await;
    let mut seen_at_work = 0;
    let mut seen_mean = false;
    eventually("all rows are at zero for the third time", async || {
        let stats = json_of(&host, "/stats").await;
        let at_work = stats["at_work"].as_u64().unwrap();
        assert!(at_work <= 20, "{stats}");
        seen_at_work = seen_at_work.max(at_work);
        seen_mean |= stats["mean_tick_us"].is_u64();
        stats["rounds"] == 3
    })
    .await;
    assert_eq!((seen_at_work, seen_mean), (20, true));
    eventually("those that are through are gone", async || json_of(&host, "/stats").await["at_work"] == 0).await;
    let stats = json_of(&host, "/stats").await;
    assert_eq!((&stats["rows_left"], &stats["ticks"]), (&json!(0), &json!(3 * 40 * 5)), "{stats}");
}

async fn play(host: &Host, player: &str, cell: u8) -> Reply {
    let body = format!("{{\"player\": \"{player}\", \"cell\": {cell}}}");
    send(host.request("POST", "/games/7/moves").header("content-type", "application/json").body(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_goes_on_after_a_restart_and_is_archived_when_it_ends() {
    let host = example("game", &[]).await;
    assert_eq!(host.get("/games/7").await.status, 404);
    for (player, cell) in [("X", 4), ("O", 0)] {
        assert_eq!(play(&host, player, cell).await.status, 200);
    }
    let refused = play(&host, "O", 1).await;
    assert!(refused.status == 409 && refused.body.contains("the other player's turn"), "{refused:?}");
    let before = json_of(&host, "/games/7").await;
    assert_eq!(before["moves"].as_array().map(Vec::len), Some(2));

    let host = Host::in_folder(host.stop().await, Mode::Development).await.unwrap();
    assert_eq!(json_of(&host, "/games/7").await, before);
    let mut live = Sse::open(host.request("GET", "/games/7/live")).await;
    assert_eq!(serde_json::from_str::<Value>(&live.event().await.data).unwrap(), before);
    for (player, cell) in [("X", 2), ("O", 1), ("X", 6)] {
        let answer = play(&host, player, cell).await;
        assert_eq!((answer.status, live.event().await.data), (200, answer.body));
    }
    assert_eq!(json_of(&host, "/archive").await, json!({"7": {"Won": "X"}}));
    assert_eq!(play(&host, "O", 8).await.status, 409);
    let after = json_of(&host, "/games/7").await;
    assert_eq!((&after["outcome"], after["moves"].as_array().map(Vec::len)), (&json!({"Won": "X"}), Some(5)));

    // Its process goes 10 s after the end, over a restart as well; what is archived stays.
    assert!(host.admin().process("game/game:7").await.is_ok());
    drop(live);
    let host = Host::in_folder(host.stop().await, Mode::Development).await.unwrap();
    eventually("the process is gone", async || host.admin().process("game/game:7").await.is_err()).await;
    assert_eq!(json_of(&host, "/games/7").await, after);
    assert_eq!(json_of(&host, "/archive").await, json!({"7": {"Won": "X"}}));
}
