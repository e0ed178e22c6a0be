package alerts

import "time"

const hour = time.Hour

// alertCase says what makes an alert fire, by why, and what leaves it silent.
type alertCase struct {
	fires, silent map[string]scene
	says          string // in the summary
}

const (
	main     = `source="main"`
	nightly  = `schedule="nightly"`
	corrupt  = `schedule="nightly", result="corrupt"`
	ok       = `schedule="nightly", result="ok"`
	refused  = `schedule="nightly", result="refused"`
	missed   = `schedule="nightly", why="missed"`
	overrun  = `schedule="nightly", why="overrun"`
	notTold  = `notification="oncall", result="failed"`
	replaced = `notification="oncall", result="replaced"`
	told     = `notification="oncall", result="ok"`
	always0  = "0x240"
	always1  = "1x240"
	theClock = "0+60x240" // as minutes go by
)

var cases = map[string]alertCase{
	"OpenimDrNoLeader": {
		says: "No daemon",
		fires: map[string]scene{
			"one stands by":                    minutes(ours("openim_dr_leader", "", always0)),
			"two stand by":                     minutes(ours("openim_dr_leader", "", always0), of("openim-dr-1", "openim_dr_leader", "", always0)),
			"nothing is scraped":               minutes("up 1x240"),
			"the leader ended, and none leads": minutes(ours("openim_dr_leader", "", "1x60 0x180")),
			"only another release has one":     minutes(`openim_dr_leader{namespace="other"} 1x240`),
		},
		silent: map[string]scene{
			"one leads":               minutes(ours("openim_dr_leader", "", always1), of("openim-dr-1", "openim_dr_leader", "", always0)),
			"another one takes over":  minutes(ours("openim_dr_leader", "", "1x60 _x180"), of("openim-dr-1", "openim_dr_leader", "", "0x65 1x175")),
			"a rolling update passes": minutes(ours("openim_dr_leader", "", "1x60 0x10 1x170")),
		},
	},
	"OpenimDrSeveralLeaders": {
		says:  "2 daemons",
		fires: map[string]scene{"two lead": minutes(ours("openim_dr_leader", "", always1), of("openim-dr-1", "openim_dr_leader", "", always1))},
		silent: map[string]scene{
			"one leads": minutes(ours("openim_dr_leader", "", always1), of("openim-dr-1", "openim_dr_leader", "", always0)),
			"each release has its own": minutes(ours("openim_dr_leader", "", always1),
				`openim_dr_leader{namespace="backups", job="another"} 1x240`),
		},
	},
	"OpenimDrStatusStale": {
		says:   "has not looked at its repository for 1h",
		fires:  map[string]scene{"it looked once": minutes(ours("openim_dr_status_timestamp_seconds", "", always0))},
		silent: map[string]scene{"it looks": minutes(ours("openim_dr_status_timestamp_seconds", "", theClock))},
	},
	"OpenimDrStatusCritical": {
		says:   "critical",
		fires:  map[string]scene{"critical": minutes(ours("openim_dr_status", "", "2x240"))},
		silent: map[string]scene{"a warning": minutes(ours("openim_dr_status", "", always1)), "for some minutes": minutes(ours("openim_dr_status", "", "0x60 2x5 0x100"))},
	},
	"OpenimDrStatusWarning": {
		says:   "six hours",
		fires:  map[string]scene{"a warning": hours(ours("openim_dr_status", "", always1))},
		silent: map[string]scene{"well": hours(ours("openim_dr_status", "", always0)), "for four hours": minutes(ours("openim_dr_status", "", always1))},
	},
	"OpenimDrRPOBreached": {
		says: "newest point of main is 1h",
		fires: map[string]scene{"no point comes": minutes(ours("openim_dr_source_newest_point_timestamp_seconds", main, always0),
			ours("openim_dr_objective_rpo_seconds", "", "3600x240"))},
		silent: map[string]scene{
			"points come":     minutes(ours("openim_dr_source_newest_point_timestamp_seconds", main, theClock), ours("openim_dr_objective_rpo_seconds", "", "3600x240")),
			"no objective":    minutes(ours("openim_dr_source_newest_point_timestamp_seconds", main, always0)),
			"a larger one":    minutes(ours("openim_dr_source_newest_point_timestamp_seconds", main, always0), ours("openim_dr_objective_rpo_seconds", "", "86400x240")),
			"another release": minutes(`openim_dr_source_newest_point_timestamp_seconds{namespace="other", job="a", source="main"} 0x240`, `openim_dr_objective_rpo_seconds{namespace="other", job="a"} 60x240`),
			"who stands by has an older view": minutes(ours("openim_dr_source_newest_point_timestamp_seconds", main, theClock),
				of("openim-dr-1", "openim_dr_source_newest_point_timestamp_seconds", main, always0), ours("openim_dr_objective_rpo_seconds", "", "3600x240")),
		},
	},
	"OpenimDrRPOAtRisk": {
		says: "close to the objective",
		fires: map[string]scene{"it is nearly over": minutes(ours("openim_dr_source_newest_point_timestamp_seconds", main, "0x62 3720x178"),
			ours("openim_dr_objective_rpo_seconds", "", "3600x240"))},
		silent: map[string]scene{"points come": minutes(ours("openim_dr_source_newest_point_timestamp_seconds", main, "0x30 1800x30 3600x30 5400x30 7200x30"),
			ours("openim_dr_objective_rpo_seconds", "", "3600x150"))},
	},
	"OpenimDrRTOBreached": {
		says:  "took 1h",
		fires: map[string]scene{"too long": minutes(ours("openim_dr_rto_measured_seconds", "", "3600x240"), ours("openim_dr_objective_rto_seconds", "", "1800x240"))},
		silent: map[string]scene{
			"within":       minutes(ours("openim_dr_rto_measured_seconds", "", "1700x240"), ours("openim_dr_objective_rto_seconds", "", "1800x240")),
			"no objective": minutes(ours("openim_dr_rto_measured_seconds", "", "3600x240")),
		},
	},
	"OpenimDrRTOAtRisk": {
		says:   "close to the objective",
		fires:  map[string]scene{"nearly": minutes(ours("openim_dr_rto_measured_seconds", "", "1700x240"), ours("openim_dr_objective_rto_seconds", "", "1800x240"))},
		silent: map[string]scene{"half of it": minutes(ours("openim_dr_rto_measured_seconds", "", "900x240"), ours("openim_dr_objective_rto_seconds", "", "1800x240"))},
	},
	"OpenimDrScheduleFailing": {
		says: "nightly",
		fires: map[string]scene{
			"after a success": minutes(ours("openim_dr_schedule_last_attempt_timestamp_seconds", nightly, "100x60 3700x180"), ours("openim_dr_schedule_last_success_timestamp_seconds", nightly, "100x240")),
			"from the first":  minutes(ours("openim_dr_schedule_last_attempt_timestamp_seconds", nightly, "100x240")),
		},
		silent: map[string]scene{
			"it ended well": minutes(ours("openim_dr_schedule_last_attempt_timestamp_seconds", nightly, "100x240"), ours("openim_dr_schedule_last_success_timestamp_seconds", nightly, "100x240")),
			"tried again and well": minutes(ours("openim_dr_schedule_last_attempt_timestamp_seconds", nightly, "100x60 3700x40 6000x140"),
				ours("openim_dr_schedule_last_success_timestamp_seconds", nightly, "100x101 6000x139")),
		},
	},
	"OpenimDrScheduleOverdue": {
		says:  "was due 31m",
		fires: map[string]scene{"it does not begin": minutes(ours("openim_dr_schedule_next_timestamp_seconds", nightly, always0), ours("openim_dr_schedule_running", nightly, always0))},
		silent: map[string]scene{
			"it runs":       minutes(ours("openim_dr_schedule_next_timestamp_seconds", nightly, always0), ours("openim_dr_schedule_running", nightly, always1)),
			"it is not due": minutes(ours("openim_dr_schedule_next_timestamp_seconds", nightly, "86400x240"), ours("openim_dr_schedule_running", nightly, always0)),
		},
	},
	"OpenimDrScheduleMissed": {
		says: "nightly",
		fires: map[string]scene{
			"one more":                          minutes(ours("openim_dr_schedule_passed_total", missed, "3x60 4x180")),
			"found at the start of a new one":   minutes("up 1x240", ours("openim_dr_schedule_passed_total", missed, "_x90 1x150")),
			"beside an older pod that had some": minutes(ours("openim_dr_schedule_passed_total", missed, "5x80 _x160"), of("openim-dr-1", "openim_dr_schedule_passed_total", missed, "_x90 1x150")),
		},
		silent: map[string]scene{"none": minutes(ours("openim_dr_schedule_passed_total", missed, always0)), "overruns": minutes(ours("openim_dr_schedule_passed_total", overrun, theClock))},
	},
	"OpenimDrScheduleOverrun": {
		says:   "nightly takes longer",
		fires:  map[string]scene{"every hour": minutes(ours("openim_dr_schedule_passed_total", overrun, "0x60 1x60 2x60 4x60"))},
		silent: map[string]scene{"once": minutes(ours("openim_dr_schedule_passed_total", overrun, "0x60 1x180"))},
	},
	"OpenimDrDamaged": {
		says: "nightly has found bytes",
		fires: map[string]scene{
			"the first time":   minutes("up 1x240", ours("openim_dr_schedule_attempts_total", corrupt, "_x60 1x180")),
			"one more":         minutes(ours("openim_dr_schedule_attempts_total", corrupt, "1x60 2x180")),
			"from another pod": minutes("up 1x240", of("openim-dr-1", "openim_dr_schedule_attempts_total", corrupt, "_x60 1x180")),
		},
		silent: map[string]scene{"well": minutes(ours("openim_dr_schedule_attempts_total", ok, "0+1x240"), ours("openim_dr_schedule_attempts_total", corrupt, always0))},
	},
	"OpenimDrRefused": {
		says:   "nightly has refused",
		fires:  map[string]scene{"the first time": minutes("up 1x240", ours("openim_dr_schedule_attempts_total", refused, "_x60 1x180"))},
		silent: map[string]scene{"damaged": minutes(ours("openim_dr_schedule_attempts_total", corrupt, "0x60 1x180")), "well": minutes(ours("openim_dr_schedule_attempts_total", ok, "0+1x240"))},
	},
	"OpenimDrProofOverdue": {
		says:  "main was proven for 35d",
		fires: map[string]scene{"no proof comes": {step: 6 * hour, series: series{ours("openim_dr_source_newest_proof_timestamp_seconds", main, always0)}}},
		silent: map[string]scene{
			"each month": {step: 6 * hour, series: series{ours("openim_dr_source_newest_proof_timestamp_seconds", main, "0x120 2592000x119")}},
			"never":      hours(ours("openim_dr_source_newest_point_timestamp_seconds", main, always0)),
		},
	},
	"OpenimDrNeverProven": {
		says:  "main was ever proven",
		fires: map[string]scene{"only points": hours(ours("openim_dr_source_newest_point_timestamp_seconds", main, always1))},
		silent: map[string]scene{
			"a proof":                     hours(ours("openim_dr_source_newest_point_timestamp_seconds", main, always1), ours("openim_dr_source_newest_proof_timestamp_seconds", main, always1)),
			"a proof in the first week":   hours(ours("openim_dr_source_newest_point_timestamp_seconds", main, always1), ours("openim_dr_source_newest_proof_timestamp_seconds", main, "_x100 1x140")),
			"that another pod knows of":   hours(ours("openim_dr_source_newest_point_timestamp_seconds", main, always1), of("openim-dr-1", "openim_dr_source_newest_proof_timestamp_seconds", main, always1)),
			"there is no point to be had": hours("up 1x240"),
		},
	},
	"OpenimDrSourceShrunk": {
		says: "main has lost more than 30%",
		fires: map[string]scene{
			"rows":    hours(ours("openim_dr_source_captured_rows", main, "1000x48 600x190")),
			"objects": hours(ours("openim_dr_source_captured_objects", main, "1000x48 0x190")),
		},
		silent: map[string]scene{
			"a little":  hours(ours("openim_dr_source_captured_rows", main, "1000x48 800x190")),
			"it grows":  hours(ours("openim_dr_source_captured_rows", main, "1000+10x240"), ours("openim_dr_source_captured_objects", main, "1000+10x240")),
			"first day": hours(ours("openim_dr_source_captured_rows", main, "5x20")),
		},
	},
	"OpenimDrUncoveredStores": {
		says:   "2 store(s)",
		fires:  map[string]scene{"two": minutes(ours("openim_dr_uncovered_stores", "", "2x240"))},
		silent: map[string]scene{"none": minutes(ours("openim_dr_uncovered_stores", "", always0))},
	},
	"OpenimDrCopyBehind": {
		says:   "copy eu is 2d",
		fires:  map[string]scene{"three days": hours(ours("openim_dr_copy_behind_seconds", `copy="eu"`, "0+3600x240"))},
		silent: map[string]scene{"a day": hours(ours("openim_dr_copy_behind_seconds", `copy="eu"`, "86400x240"))},
	},
	"OpenimDrNotificationsFailing": {
		says:   "oncall do not arrive",
		fires:  map[string]scene{"the first time": minutes("up 1x240", ours("openim_dr_notifications_total", notTold, "_x60 1x180")), "again": minutes(ours("openim_dr_notifications_total", notTold, "1x60 2x180"))},
		silent: map[string]scene{"they arrive": minutes(ours("openim_dr_notifications_total", told, "0+1x240"), ours("openim_dr_notifications_total", notTold, always0)), "newer ones took their place": minutes(ours("openim_dr_notifications_total", replaced, "0+1x240"))},
	},
}
