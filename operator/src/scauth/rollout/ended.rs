//! How a container ended, in one sentence: what the kernel or the kubelet did comes before the last line of the log.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus};
use serde_json::Value;

/// The longest part of a log line that is repeated, in characters.
const LONGEST: usize = 1_000;

/// A container that ended with a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub is_out_of_memory: bool,
    pub message: String,
}

/// The last failure of a container that does not run, or has run again but is not ready.
pub fn last_failure(status: &ContainerStatus) -> Option<Ended> {
    let latest_first = [status.state.as_ref(), status.last_state.as_ref()];
    let mut ends = latest_first.into_iter().flatten().filter_map(|state| state.terminated.as_ref());
    let ended = ends.find(|ended| ended.exit_code != 0)?;
    let is_out_of_memory = ended.reason.as_deref() == Some("OOMKilled");
    let line = last_line(ended.message.as_deref().unwrap_or_default());
    let message = match cause(ended, is_out_of_memory) {
        Some(cause) => cause + &line.map(|line| format!("; its last output was: {line}")).unwrap_or_default(),
        None => line.unwrap_or_else(|| format!("the container ended with exit code {} and no output", ended.exit_code)),
    };
    Some(Ended { is_out_of_memory, message })
}

/// What ended the container, if it was not the program itself; the program's own error is in its log.
fn cause(ended: &ContainerStateTerminated, is_out_of_memory: bool) -> Option<String> {
    let code = ended.exit_code;
    if is_out_of_memory {
        return Some(format!(
            "the kernel killed the container because it reached its memory limit, or because the node had no memory left \
             (OOMKilled, exit code {code}); raise spec.resources.limits.memory, or the requests if the node was short of \
             memory"
        ));
    }
    let reason = ended.reason.as_deref().filter(|reason| !matches!(*reason, "Error" | "Completed"));
    let code = match reason {
        Some(reason) => format!("{reason}, exit code {code}"),
        None => format!("exit code {code}"),
    };
    if let Some(signal) = signal(ended) {
        let (name, advice) = describe(signal);
        return Some(format!("the container was killed by signal {name} ({code}); {advice}"));
    }
    match ended.exit_code {
        126 | 127 => Some(format!(
            "the image has no program that can run ({code}); set spec.image to an image of sc-auth-server"
        )),
        // Codes that the program itself chooses.
        1 | 2 if reason.is_none() => None,
        _ => Some(format!("the container ended with {code}")),
    }
}

/// The signal that ended the process: a shell and the container runtimes add 128 to it.
fn signal(ended: &ContainerStateTerminated) -> Option<i32> {
    let of_code = (129..=159).contains(&ended.exit_code).then(|| ended.exit_code - 128);
    ended.signal.filter(|signal| *signal > 0).or(of_code)
}

fn describe(signal: i32) -> (String, &'static str) {
    let crash = "this is an error of the program, or the image is for another architecture: please report it";
    let stopped = "the kubelet or a person stopped it, for instance after failed probes: see the events of the pod";
    let (name, advice) = match signal {
        4 => ("SIGILL", crash),
        6 => ("SIGABRT", crash),
        7 => ("SIGBUS", crash),
        8 => ("SIGFPE", crash),
        9 => ("SIGKILL", stopped),
        11 => ("SIGSEGV", crash),
        15 => ("SIGTERM", stopped),
        31 => ("SIGSYS", "a seccomp profile forbids a system call: see podTemplate and the node's profiles"),
        _ => return (signal.to_string(), "see the events of the pod"),
    };
    (format!("{signal} ({name})"), advice)
}

/// The last line of the log, or the message in it if the line is a JSON event.
fn last_line(log: &str) -> Option<String> {
    let line = log.lines().rfind(|line| !line.trim().is_empty())?;
    let event: Option<Value> = serde_json::from_str(line).ok();
    let message = event.as_ref().and_then(|event| event["message"].as_str()).unwrap_or(line);
    Some(message.chars().take(LONGEST).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ended(terminated: &Value) -> Ended {
        let status = json!({"name": "server", "image": "", "imageID": "", "ready": false, "restartCount": 1,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": terminated}});
        last_failure(&serde_json::from_value(status).unwrap()).unwrap()
    }

    fn message(terminated: &Value) -> String {
        ended(terminated).message
    }

    #[test]
    fn an_error_of_the_program_is_its_last_line() {
        let log =
            "{\"level\":\"INFO\",\"message\":\"one\"}\n{\"level\":\"ERROR\",\"message\":\"connecting: refused\"}\n";
        assert_eq!(message(&json!({"exitCode": 1, "reason": "Error", "message": log})), "connecting: refused");
        assert_eq!(message(&json!({"exitCode": 2, "reason": "Error", "message": "plain text\n\n"})), "plain text");
        assert_eq!(
            message(&json!({"exitCode": 1, "reason": "Error"})),
            "the container ended with exit code 1 and no output"
        );
    }

    #[test]
    fn a_kill_for_lack_of_memory_comes_before_the_log() {
        let log = "{\"level\":\"INFO\",\"message\":\"listening\"}";
        let ended = ended(&json!({"exitCode": 137, "reason": "OOMKilled", "message": log}));
        assert!(ended.is_out_of_memory);
        assert_eq!(
            ended.message,
            "the kernel killed the container because it reached its memory limit, or because the node had no memory left \
             (OOMKilled, exit code 137); raise spec.resources.limits.memory, or the requests if the node was short of \
             memory; its last output was: listening"
        );
    }

    #[test]
    fn a_signal_is_named_with_what_it_means() {
        for (terminated, begins) in [
            (
                json!({"exitCode": 137, "reason": "Error"}),
                "the container was killed by signal 9 (SIGKILL) (exit code 137); ",
            ),
            (
                json!({"exitCode": 139, "reason": "Error"}),
                "the container was killed by signal 11 (SIGSEGV) (exit code 139); ",
            ),
            (json!({"exitCode": 1, "signal": 15}), "the container was killed by signal 15 (SIGTERM) (exit code 1); "),
            (
                json!({"exitCode": 158}),
                "the container was killed by signal 30 (exit code 158); see the events of the pod",
            ),
        ] {
            let message = message(&terminated);
            assert!(message.starts_with(begins), "{message}");
        }
    }

    #[test]
    fn other_ends_have_their_reason_and_exit_code() {
        for (terminated, wanted) in [
            (
                json!({"exitCode": 101, "reason": "Error", "message": "panicked"}),
                "the container ended with exit code 101; its last output was: panicked",
            ),
            (
                json!({"exitCode": 128, "reason": "StartError", "message": "runc: no such file"}),
                "the container ended with StartError, exit code 128; its last output was: runc: no such file",
            ),
            (
                json!({"exitCode": 127, "reason": "Error"}),
                "the image has no program that can run (exit code 127); set spec.image to an image of sc-auth-server",
            ),
            (json!({"exitCode": 255, "reason": "Unknown"}), "the container ended with Unknown, exit code 255"),
        ] {
            assert_eq!(message(&terminated), wanted);
        }
    }
}
