package runbook

import (
	"strings"
)

// variables is the one block that a person edits.
func (w *writer) variables() Section {
	var b strings.Builder
	b.WriteString("case ${BASH_VERSION:-} in ?*) set +H ;; esac # an exclamation mark is none\n" +
		"# What is empty and says FILL IN must be filled in. No secret stands here: it stands\n# in a file that holds nothing else, such as one made with: umask 077; cat > FILE\n")
	group := func(title string, variables []Variable) {
		b.WriteString("\n# " + comment(title) + "\n")
		for _, v := range variables {
			value := v.Expression
			if value == "" {
				value = Quote(v.Value)
			}
			b.WriteString(v.Name + "=" + value + v.comment() + "\n")
		}
	}
	group("The point", w.common())
	for _, part := range w.Parts {
		group("Source "+part.Source+": "+part.Kind, part.Variables)
	}
	return Section{Title: "Variables", Blocks: []Block{
		Text(Spans("Edit this block, then paste it.")), Shell(b.String()),
		Text(Spans("A password or key goes into a file of its own, which the block names. What is restored can have another name: change that of the schema, bucket or namespace.")),
	}}
}

// common are the variables of every page.
func (w *writer) common() []Variable {
	repo := Variable{Name: "REPO", Expression: `"$REPOSITORY"`, About: "what is fetched lies here; another directory makes a copy of what is needed"}
	if w.Repository.GCS != "" {
		repo = Variable{Name: "REPO", Expression: `"$WORK/repository"`, About: "what is fetched lies here"}
	}
	fingerprints := make([]string, len(w.Openers))
	for i, o := range w.Openers {
		fingerprints[i] = o.Fingerprint
	}
	all := []Variable{
		{Name: "IDENTITY", Fill: true, File: true, About: "the file with your private key"},
		{Name: "WORK", Expression: `"$PWD/restore-` + w.Point.ID + `"`, About: "plain text will lie here"},
		{Name: "SIGNER", Value: w.Point.Signer, Fill: true, About: "public key of the writer; hold it against the recovery kit"},
		{Name: "REPOSITORY", Value: w.Repository.URL, Fill: true, About: "where the repository is, or a copy of it"},
		repo,
		{Name: "POINT", Value: w.Point.ID},
		{Name: "MANIFEST_SHA256", Value: w.Point.ManifestSHA256},
		{Name: "POINTKEY", Value: w.Point.Key},
		{Name: "FINGERPRINTS", Value: strings.Join(fingerprints, " "), About: "for whom the keys are wrapped"},
	}
	if w.Repository.GCS != "" {
		all = append(all,
			Variable{Name: "FETCH_WITH", Value: "gsutil", About: "gsutil or curl"},
			Variable{Name: "GCS", Value: w.Repository.GCS, About: "for curl: the same address over https"},
			Variable{Name: "TOKEN_FILE", File: true, About: "for curl: a file with what gcloud auth print-access-token prints"})
	}
	return all
}
