package runbook

// fetching is from nothing to verified files and opened keys.
func (w *writer) fetching() (Section, error) {
	section := Section{Title: "Fetch, verify, open"}
	functions, err := commonTemplates.Shell("functions", w.data())
	if err != nil {
		return section, err
	}
	add := func(blocks ...Block) { section.Blocks = append(section.Blocks, blocks...) }
	add(Text(Spans("Functions that the other blocks use:")), functions)
	step := func(name, done string, after int) (int, error) {
		made, err := commonTemplates.Step(name, done, w.data())
		if err == nil {
			add(w.steps.shell(made, after))
		}
		return w.steps.last, err
	}

	add(Text(Spans("Is everything here?")))
	last, err := step("start", "programs, variables and files are here", 0)
	if err != nil {
		return section, err
	}
	add(Text(Spans("Nothing is believed before the manifest is the one of this page, and signed. It names every other file.")))
	if last, err = step("manifest", "the manifest is signed and right", last); err != nil {
		return section, err
	}
	add(Text(Spans("The files of the point, " + w.Needs.Own.String() + ":")))
	if last, err = step("own", "the files of the point are here and right", last); err != nil {
		return section, err
	}
	add(Text(Spans("The keys, each of which your private key opens:")))
	if last, err = step("keys", "the keys are open", last); err != nil {
		return section, err
	}
	w.opened, w.indexed = last, last
	if len(w.lists()) == 0 {
		return section, nil
	}
	add(Text(Spans("The index of the buckets, " + w.Needs.Index.String() + ". It may wait if the database is what is missed most; the blocks of the buckets need it:")))
	if w.indexed, err = step("index", "the index of the buckets is here and right", last); err != nil {
		return section, err
	}
	add(Text(Spans("The packs with the buckets' objects, " + w.Needs.Packs.String() + ". Where the disk does not hold all of them, leave this block out: the blocks of the buckets fetch each pack " +
		"that is not here, verify it, and remove it when its objects are there.")))
	_, err = step("packs", "the packs are here and right", w.indexed)
	return section, err
}
