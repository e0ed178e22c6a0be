package starter

import (
	"context"
	"os/exec"
)

// browser is Chromium, with which tests look at pages, and what reads the PDFs
// that it prints. Nothing of it runs before a test wants it. It is large: it is
// installed while the other parts are made.
func (tb *Testbed) browser() part {
	return part{
		name:    "browser",
		check:   func(context.Context) error { return checkBrowser() },
		prepare: tb.installBrowser,
		start:   func(context.Context) error { return nil },
	}
}

// browserPath returns the first there is of the names that Chromium has.
func browserPath() (path string, err error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", err
}

func checkBrowser() error {
	if _, err := browserPath(); err != nil {
		return err
	}
	_, err := exec.LookPath("pdftotext")
	return err
}

// installBrowser runs after prepareHost has ended: two runs of apt-get update at
// once would hinder each other.
func (tb *Testbed) installBrowser(ctx context.Context) error {
	var missing []string
	if _, err := browserPath(); err != nil {
		missing = append(missing, "chromium", "fonts-liberation")
	}
	if !installed("pdftotext") {
		missing = append(missing, "poppler-utils")
	}
	return tb.install(ctx, missing)
}
