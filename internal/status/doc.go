// Package status judges, from what a repository and its copies hold, whether a
// deployment can be restored as promised. The judgement is a pure function of what
// was found; reading it is somebody else's part.
package status
