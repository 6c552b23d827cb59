import { readFileSync, globSync } from 'node:fs';

/** Article 1 of the Universal Declaration of Human Rights, which is in the public domain. */
export const languages: Readonly<Record<string, string>> = {
  German:
    'Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geiste der Brüderlichkeit begegnen.',
  French:
    'Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité.',
  Polish:
    'Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa.',
  Vietnamese:
    'Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi. Mọi con người đều được tạo hoá ban cho lý trí và lương tâm và cần phải đối xử với nhau trong tình bằng hữu.',
  Russian:
    'Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны поступать в отношении друг друга в духе братства.',
  Greek:
    'Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι με λογική και συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ τους με πνεύμα αδελφοσύνης.',
  Arabic:
    'يولد جميع الناس أحراراً متساوين في الكرامة والحقوق. وقد وهبوا عقلاً وضميراً وعليهم أن يعامل بعضهم بعضاً بروح الإخاء.',
  Hindi:
    'सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।',
  Chinese: '人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。',
  Japanese:
    'すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。',
  Korean:
    '모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 부여받았으며 서로 형제애의 정신으로 행동하여야 한다.',
};

const root = new URL('../../', import.meta.url);

function texts(pattern: string): string[] {
  const files = globSync(pattern, { cwd: root.pathname }).toSorted();
  return files.map((file) => readFileSync(new URL(file, root), 'utf8')).flatMap(pieces);
}

/** Pieces of the length of a file that an agent reads. */
function pieces(text: string): string[] {
  return Array.from({ length: Math.min(Math.floor(text.length / 2_000), 40) }, (_, index) =>
    text.slice(index * 2_000, (index + 1) * 2_000),
  );
}

/** @returns texts of each kind: files of this project, and texts in other languages */
export function textsByKind(): Record<string, readonly string[]> {
  return {
    TypeScript: texts('src/**/*.ts'),
    'English (Markdown)': texts('*.md'),
    JSON: texts('test/**/*.json'),
    YAML: texts('deploy/*.y*ml'),
    'hashes (package-lock.json)': texts('package-lock.json'),
    ...Object.fromEntries(Object.entries(languages).map(([language, text]) => [language, [text.repeat(4)]])),
  };
}
