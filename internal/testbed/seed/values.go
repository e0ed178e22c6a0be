package seed

import (
	"math/rand/v2"
	"strings"
	"unicode/utf8"
)

// nastyTexts are values that each text column of each table holds at least once
// where the table has rows enough. NULL is one more of them, see row.label.
var nastyTexts = []string{
	"",
	" ",
	"trailing blanks   ",
	"  leading blanks",
	"emoji 😀👩‍👩‍👧‍👦🏳️‍🌈 and a flag 🇨🇳",
	"line one\nline two",
	"line one\r\nline two\r",
	"tab\tseparated\tvalues\t",
	`back\slash \n \t \0 \N \\`,
	`\N`,
	"NULL",
	"nul\x00byte\x00",
	"control \x01\x02\b\x1a\x1b[31m\x7f",
	`{"json":"with \"quotes\"","n":[1,2.50,null],"u":"\u4f60"}`,
	`it's a "quoted" ` + "`name`",
	"'; DROP TABLE users; -- ",
	"/*!50000 comment */ # hash -- dash",
	"%s %d %% 100% _ wild",
	"你好，世界。这是一条消息。",
	"こんにちは世界、한국어 메시지",
	"Привет, мир! Ελληνικά",
	"مرحبا بالعالم \u202eמימין לשמאל\u202c",
	"ไทย हिन्दी বাংলা",
	"e\u0301 combining, \u00e9 precomposed",
	"\ufeffbyte order mark \u200b zero width \u2028 separator",
	"the ends of Unicode \ue000 \ufffd \U0010fffd",
	"\\",
	"\t",
	"\n",
	"0",
	"<script>alert('x')</script>&amp;&#x27;",
	strings.Repeat("很长的文本 with 😀 ", 160),
}

// nastyIDs are user ids that OpenIM accepts from whoever registers a user. They
// differ from each other under every collation in use.
var nastyIDs = []string{
	"", "anna o'neill", `back\slash`, "tab\there", "line\nbreak", "nul\x00byte", "用户一号",
	"пользователь", "user@example.com", "a_b", "a%b", "MixedCase", "comma,dot.", "😀smile",
}

var surnames = strings.Fields("Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu 王 李 张 刘 陈 Smith Müller García Иванов")

var givenNames = strings.Fields("Wei Fang Na Min Jing Lei Qiang Jun Yong Yan Jie Tao Ming Chao Xia 伟 芳 娜 静 磊 Anna José Ольга Zoë")

var words = strings.Fields(`the of and to in is you that it he was for on are with as his they be at one have this
	from or had by hot but some what there we can out other were all your when up use word how said an each she which do
	their time if will way about many then them would write like so these her long make thing see him two has look more day
	could go come did my sound no most number who over know water than call first people may down side been now find
	meeting tomorrow office report lunch train ticket photo holiday birthday weather deadline invoice 今天 明天 会议 吃饭 谢谢
	好的 收到 没问题 在吗 哈哈 照片 文件 周末 快乐 Спасибо завтра встреча 😂 👍 🙏 ❤️ 🎉`)

// sentence appends between low and high random words.
func sentence(b []byte, r *rand.Rand, low, high int) []byte {
	for n := low + r.IntN(high-low+1); n > 0; n-- {
		b = append(b, words[r.IntN(len(words))]...)
		if n > 1 {
			b = append(b, ' ')
		}
	}
	return b
}

func personName(r *rand.Rand) string {
	return surnames[r.IntN(len(surnames))] + " " + givenNames[r.IntN(len(givenNames))]
}

// cut shortens a text to what a column of so many characters holds.
func cut(s string, characters int) string {
	if utf8.RuneCountInString(s) <= characters {
		return s
	}
	return string([]rune(s)[:characters])
}
