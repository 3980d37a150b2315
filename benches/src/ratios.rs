//! Reads what criterion measured and prints, for each work, our time, the limit's, their ratio, and what was aimed at.

use serde_json::Value;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// A work: its criterion group, and the most that it may take.
struct Work {
    group: &'static str,
    /// As a multiple of the limit.
    ratio: Option<f64>,
    /// In nanoseconds on the machine of the targets.
    ns: Option<f64>,
}

const fn work(group: &'static str, ratio: Option<f64>, ns: Option<f64>) -> Work {
    Work { group, ratio, ns }
}

const WORKS: &[Work] = &[
    work("map_calls_present", Some(1.45), Some(0.60)),
    work("map_calls_fresh", Some(1.45), Some(0.80)),
    work("map_once_present", Some(1.45), Some(0.60)),
    work("map_once_fresh", Some(1.45), Some(0.80)),
    work("unmap_deferred", Some(1.25), Some(0.45)),
    work("unmap_strict", Some(1.25), Some(0.50)),
    work("unmap_detach", Some(1.25), Some(0.45)),
    work("page_random_map_unmap", None, Some(12.0)),
    work("page_sequential_map", None, Some(6.0)),
    work("page_sequential_unmap", None, Some(4.0)),
    work("translate_random", None, Some(4.0)),
    work("encode", Some(1.3), Some(1.0)),
    work("encode_tags", Some(1.3), Some(1.0)),
    work("plan_1GiB_37_single", None, Some(6.0)),
    work("plan_1GiB_37_exact", None, Some(6.0)),
    work("plan_ragged_single", None, Some(6.0)),
    work("plan_ragged_exact", None, Some(6.0)),
    work("plan_and_stamp_8_tags", None, Some(30.0)),
    work("update", None, Some(30.0)),
    work("attach", None, None),
    work("invalidate_page", None, Some(60.0)),
    work("invalidate_1GiB_37", None, None),
    work("invalidate_page_8_tags", None, None),
    work("queue_exclusive_sync", None, None),
    work("queue_shared_sync", None, None),
    work("queue_shared_post", None, None),
    work("queue_shared_sync_2", None, None),
    work("queue_shared_post_2", None, None),
];

/// Nanoseconds for one element: the median, and the fastest sample, which a busy machine disturbs least.
struct Measured {
    median: f64,
    best: f64,
}

fn json(path: &Path) -> Result<Value, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

fn numbers<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = f64> + 'a {
    value.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_f64)
}

fn measured(directory: &Path) -> Result<Measured, Box<dyn Error>> {
    let throughput = json(&directory.join("benchmark.json"))?;
    let elements = throughput.pointer("/throughput/Elements").and_then(Value::as_f64).unwrap_or(1.0);
    let estimates = json(&directory.join("estimates.json"))?;
    let median = estimates.pointer("/median/point_estimate").and_then(Value::as_f64);
    let sample = json(&directory.join("sample.json"))?;
    let each = numbers(&sample, "times").zip(numbers(&sample, "iters")).map(|(time, count)| time / count);
    let median = median.ok_or("estimates.json has no median")? / elements;
    Ok(Measured { median, best: each.fold(f64::INFINITY, f64::min) / elements })
}

/// Prints the table of the works that have been measured into `home`, criterion's directory, from `since` on.
///
/// # Errors
/// What is in there is not what criterion writes.
pub fn print(home: &Path, since: SystemTime) -> Result<(), Box<dyn Error>> {
    println!(
        "{:<24} {:>9} {:>9} {:>6} {:>12} {:>8} {:>8}",
        "work", "ours ns", "limit ns", "ratio", "best ratio", "target", "target ns"
    );
    let target = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value}"));
    for Work { group, ratio, ns } in WORKS {
        let [ours, limit] = ["ours", "limit"].map(|which| home.join(group).join(which).join("new"));
        let is_new =
            |of: &Path| fs::metadata(of.join("estimates.json"))?.modified().map(|time| time >= since);
        if !(is_new(&ours).unwrap_or(false) && is_new(&limit).unwrap_or(false)) {
            continue;
        }
        let (ours, limit) = (measured(&ours)?, measured(&limit)?);
        println!(
            "{group:<24} {:>9.3} {:>9.3} {:>6.2} {:>12.2} {:>8} {:>8}",
            ours.median,
            limit.median,
            ours.median / limit.median,
            ours.best / limit.best,
            target(*ratio),
            target(*ns),
        );
    }
    Ok(())
}
