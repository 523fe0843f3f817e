// H.264 whose pictures are coded in another order than they are shown in.
using VirtioUser.Codec.Tests.Corpus.Bits;

namespace VirtioUser.Codec.Tests.Corpus.Cases;

/// <summary>How many pictures the decoder keeps back is said in the stream, or has to be found out from it, and none may get lost for it.</summary>
internal static class ReorderCases
{
    public static IReadOnlyList<CorpusCase> All { get; } =
    [
        .. from between in new[] { 0, 1, 2, 3, 5, 8, 16 }
           from pyramid in between < 2 ? ["none"] : new[] { "strict", "normal" }
           from said in new[] { "said", "no-vui", "no-restriction" }
           select new CorpusCase(
               $"b-{between}-{pyramid}-{said}", Said(Recipe.H264($"bframes={between}:b-adapt=0:b-pyramid={pyramid}:ref=4", frames: 20), said)),
        .. new[] { 1, 2, 8, 16 }.Select(references => new CorpusCase($"references-{references}", Recipe.H264($"ref={references}:bframes=3", frames: 20).Vui(_ => null))),
        .. from depth in new[] { 1, 2, 3, 4, 5, 6, 7, 8, 15 }
           from said in new[] { "said", "no-vui" }
           select new CorpusCase($"backward-{depth}-{said}", Backward(depth, said == "said" ? Restricted(depth) : null)),
        .. from depth in new[] { 1, 2, 3, 4 }
           from said in new[] { "said", "no-vui" }
           select new CorpusCase($"pyramid-{depth}-{said}", Recipe.Plain(new() { References = 6, Vui = said == "said" ? Restricted(depth) : null }, [.. Pyramid(depth)])),
        new("backward-4-said-to-be-0", Backward(4, Restricted(0)), Errors.Any),
        new("backward-4-said-to-be-2", Backward(4, Restricted(2)), Errors.Any),
        new("backward-2-said-to-be-16", Backward(2, Restricted(16))),
        new("backward-grows-without-vui", Recipe.Plain(new() { References = 10 }, [.. Growing()])),
        new("order-as-coded", Recipe.Plain(new() { OrderType = 2 }, [.. Straight(12, 'P')])),
        new("only-i", Recipe.Plain(new(), [.. Straight(12, 'I')])),
        new("only-idr", Recipe.H264("keyint=1")),
        new("open-gop", Recipe.H264("open-gop=1:keyint=6:bframes=3:b-adapt=0", frames: 24)),
        new("open-gop-no-vui", Recipe.H264("open-gop=1:keyint=6:bframes=3:b-adapt=0", frames: 24).Vui(_ => null)),
        new("short-gop", Recipe.H264("keyint=3:bframes=2:b-adapt=0", frames: 20)),
        new("short-gop-no-vui", Recipe.H264("keyint=3:bframes=2:b-adapt=0", frames: 20).Vui(_ => null)),
        new("long-term", Recipe.Plain(new(), [.. Straight(10, 'P').Select(picture => picture with { LongTerm = true })])),
        new("not-referred-to", Recipe.Plain(new(), [.. Straight(10, 'P').Select(picture => picture with { Reference = picture.Order % 2 == 0 })])),
        new("one-picture-no-vui", Recipe.H264(frames: 1).Vui(_ => null)),
        new("two-pictures-no-vui", Recipe.H264(frames: 2).Vui(_ => null)),
    ];

    private static Recipe Said(Recipe recipe, string said) => said switch
    {
        "no-vui" => recipe.Vui(_ => null),
        "no-restriction" => recipe.Vui(vui => vui! with { Restriction = null }),
        _ => recipe,
    };

    private static Vui Restricted(int depth) => new() { Timing = (1, 50, true), Restriction = ((uint)depth, 16) };

    // An IDR picture, then groups that are coded from the last to the first.
    private static Recipe Backward(int depth, Vui? vui) => Recipe.Plain(
        new() { References = 16, Vui = vui },
        [
            new(0) { Idr = true },
            .. Enumerable.Range(0, 3).SelectMany(group => Enumerable.Range(1, depth + 1).Reverse().Select(order => new PlainPicture((group * (depth + 1)) + order) { Type = 'I' })),
        ]);

    private static IEnumerable<PlainPicture> Growing()
    {
        yield return new(0) { Idr = true };
        var after = 1;
        for (var depth = 0; depth < 7; depth++)
        {
            for (var order = depth; order >= 0; order--)
            {
                yield return new(after + order);
            }

            after += depth + 1;
        }
    }

    // Each picture lies between two that were coded before it; the innermost are nobody's references.
    private static IEnumerable<PlainPicture> Pyramid(int depth)
    {
        var length = 1 << depth;
        yield return new(0) { Idr = true };
        for (var group = 0; group < 2; group++)
        {
            yield return new((group + 1) * length);
            foreach (var picture in Within(group * length, (group + 1) * length))
            {
                yield return picture;
            }
        }
    }

    private static IEnumerable<PlainPicture> Within(int from, int to)
    {
        var middle = (from + to) / 2;
        return middle == from
            ? []
            : [new PlainPicture(middle) { Reference = to - from > 2 }, .. Within(from, middle), .. Within(middle, to)];
    }

    private static IEnumerable<PlainPicture> Straight(int count, char odd) =>
        Enumerable.Range(0, count).Select(order => new PlainPicture(order) { Idr = order == 0, Type = order % 2 == 0 ? 'I' : odd });
}
