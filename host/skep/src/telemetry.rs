//! Log lines and metrics of the process.

mod figures;

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use skep_admin::LogHub;
use skep_node::meter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use self::figures::{Figures, Kind, WithFigures};
use crate::cli::LogFormat;

/// The exporter's histograms collect samples between two scrapes; this often they are folded into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Writes log lines to standard error, and hands those of guests to the hub. `RUST_LOG` filters; the default is what
/// an operator wants to see.
pub(crate) fn logs(format: LogFormat) -> LogHub {
    let hub = LogHub::default();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = match format {
        LogFormat::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
            tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr).boxed()
        }
        LogFormat::Json => {
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
        }
    };
    // A second subscriber in one process is a test's doing, and the first one serves.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).with(hub.layer()).try_init();
    hub
}

/// Upper bounds of the buckets of calls' histograms: seconds, fuel and bytes.
const SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const FUEL: &[f64] = &[1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];
const BYTES: &[f64] = &[131_072.0, 1_048_576.0, 2_097_152.0, 8_388_608.0, 33_554_432.0, 134_217_728.0, 1_073_741_824.0];

/// Installs the process's metrics and returns what renders them. Must be called inside the async runtime.
pub(crate) fn metrics() -> anyhow::Result<Arc<dyn Fn() -> String + Send + Sync>> {
    let figures = Figures::new(&[
        (meter::CALLS, Kind::Counter, &[]),
        (meter::SECONDS, Kind::Histogram, SECONDS),
        (meter::FUEL, Kind::Histogram, FUEL),
        (meter::MEMORY, Kind::Histogram, BYTES),
    ]);
    let others = PrometheusBuilder::new().build_recorder();
    let (handle, upkeep) = (others.handle(), others.handle());
    metrics::set_global_recorder(WithFigures { others, figures: Arc::clone(&figures) })
        .map_err(|error| anyhow::anyhow!("installing the metrics recorder: {error}"))?;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(Arc::new(move || handle.render() + &figures.render()))
}
